"""Exports an SBERT model into a Triton model repository, and runs and manages the server that serves it."""
