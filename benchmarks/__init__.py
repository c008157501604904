"""One script for each question. It measures its peers in the same run: docs/explanation/benchmarks.md."""
