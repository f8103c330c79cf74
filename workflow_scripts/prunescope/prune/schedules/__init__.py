"""One file for each pruning schedule. The file's name is the value of `start`."""
