"""Networks without what was pruned: smaller files, the same outputs."""
