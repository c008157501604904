"""What the benchmarks share: the streams and texts, the candidates, the measuring."""
