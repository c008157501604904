"""The query of the article on Spark, and on Driftline: ``python -m benchmarks.peers.spark``."""
