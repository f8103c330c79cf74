"""Images: where they come from, how they are decoded, packed and sampled."""
