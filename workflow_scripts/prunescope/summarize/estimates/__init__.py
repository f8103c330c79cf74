"""Estimates with their uncertainty, from the tables of a study."""
