"""The networks of a study: their coordinates, files, layers and torch modules."""
