"""What a run is doing, what is left of a study, and how long that takes, in words."""
