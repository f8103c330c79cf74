"""The charts of a study: what they show, how they look, and how they are saved."""
