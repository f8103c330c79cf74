"""Perceptual metrics, which say how similar two images are."""
