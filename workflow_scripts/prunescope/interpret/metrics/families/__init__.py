"""One file for each family of metrics: its name is the part before the colon in the config."""
