"""What each operation of a graph means: one class for each, asked by all other code."""
