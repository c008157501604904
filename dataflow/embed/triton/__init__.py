"""The embedder that calls a model server (``embed.kind = triton``)."""
