"""The kinds of studies: what they share, and the kind whose scores were made elsewhere."""
