"""Logs, metrics and traces. This package knows no stage."""
