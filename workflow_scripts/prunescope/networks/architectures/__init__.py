"""One file for each architecture. The file's name is the value of `model.architecture`."""
