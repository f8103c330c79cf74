"""The config of a study: one typed model for each section, and how its files are read."""
