"""One file for each pruning criterion. The file's name is the value of `criterion`."""
