"""Small copies of the train images of a dataset: how they are made, and their table."""
