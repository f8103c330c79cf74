"""How the jobs of a study are run."""
