"""The models of a running Triton."""
