"""Bytewax's recovery store, prepared before a start."""
