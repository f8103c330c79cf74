"""Perceptual metrics of similarity."""
