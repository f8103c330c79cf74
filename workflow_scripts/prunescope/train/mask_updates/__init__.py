"""Masks that change while a network is trained: when, and how."""
