"""Tests of what runs on a GPU; without one they are skipped."""
