"""The unit explorer: a page that shows every unit of every network."""
