"""Which weights go."""
