"""The exemplars, scores and other measures of a network's units."""
