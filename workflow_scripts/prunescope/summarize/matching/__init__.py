"""Methods at equal accuracy: what they score, and how sparse they are, between their networks."""
