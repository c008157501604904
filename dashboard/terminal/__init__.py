"""The top of a stream in a terminal: ``python -m dataflow.top``."""
