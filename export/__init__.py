"""From an SBERT model to a Triton model repository, and the server that serves it on a laptop."""
