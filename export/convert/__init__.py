"""From a sentence-transformers model to an ONNX graph."""
