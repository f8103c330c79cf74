"""One file for each source of images. The file's name is the value of `datasets.<name>.source`."""
