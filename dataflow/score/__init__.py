"""Scores of the rows of a window."""
