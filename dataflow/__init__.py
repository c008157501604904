"""Driftline: events that do not belong with what happened around them, found in a live stream of texts."""

__version__ = "0.1.0"
