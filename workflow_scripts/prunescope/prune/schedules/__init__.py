"""One file for each schedule of pruning: its name is `start` in the config."""
