"""Train images as batches."""
