"""Training recipes: the length of training, the optimizer and the learning rate."""
