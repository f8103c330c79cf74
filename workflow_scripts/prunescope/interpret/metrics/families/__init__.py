"""One file for each family of metrics. In the config, its name stands before the colon."""
