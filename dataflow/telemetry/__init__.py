"""Logs, metrics, traces, and the end of the process on an error. Knows no stage."""
