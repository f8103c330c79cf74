"""A page on which every unit of every network can be looked at."""
