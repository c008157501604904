"""One script for each question. A script measures its peers in the same run: see docs/benchmarks.md."""
