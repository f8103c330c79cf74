"""Pruning: methods, criteria, rates and schedules."""
