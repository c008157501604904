"""Other servers and libraries of embeddings and the sidecar: ``python -m benchmarks.peers.servers``."""
