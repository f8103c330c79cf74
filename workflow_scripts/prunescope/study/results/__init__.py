"""The files of a study: their tables, how they were made, and whether they are sound."""
