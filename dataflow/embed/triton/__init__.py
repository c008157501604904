"""Embeddings from Triton, over gRPC."""
