"""The score stage: scores the events of each window."""
