"""One file for each criterion: its name is `criterion` in the config."""
