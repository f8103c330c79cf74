"""Scores of units that were made elsewhere: tables of them, read and checked."""
