"""Detectors of other libraries and Driftline's columns: ``python -m benchmarks.peers.detectors``."""
