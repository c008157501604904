"""Readers of outputs, one module for each kind. A reader gives what is new each time it is asked."""
