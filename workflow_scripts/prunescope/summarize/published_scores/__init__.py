"""What the published scores of units say: estimates, a chart and a paragraph."""
