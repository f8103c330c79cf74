"""Reading and augmenting batches of train images."""
