"""What YAML makes of the text of a study, and what it may not say."""
