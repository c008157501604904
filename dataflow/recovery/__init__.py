"""Prepares the recovery store before the flow starts, and reports how far a resume has come."""
