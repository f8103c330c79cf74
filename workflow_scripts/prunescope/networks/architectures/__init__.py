"""One file for each source of networks: the part before the first colon of `model.architecture`."""
