"""What criteria need besides weights: read from a network, or measured by running it."""
