"""One file for each architecture: its name is `model.architecture` in the config."""
