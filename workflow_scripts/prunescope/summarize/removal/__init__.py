"""Which units a pruning method removes, beside those that it keeps."""
