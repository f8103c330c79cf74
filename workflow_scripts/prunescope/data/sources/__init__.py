"""One file for each source of images: its name is `source` in the config."""
