"""A study as a whole: its config, networks, paths, resources, and how it is run."""
