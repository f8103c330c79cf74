"""Measure a network's accuracy, sparsity, size and operations."""
