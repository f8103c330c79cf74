"""Estimates over runs: what of a number is more than chance of training."""
