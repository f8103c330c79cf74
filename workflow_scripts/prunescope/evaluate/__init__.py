"""What a network gets right, and how large and sparse it is."""
