"""What a network computes, as PyTorch exported it, step by step: in files that need no torch."""
