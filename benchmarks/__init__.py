"""One script a question; each prints a table, against peers in the same run. See docs/benchmarks.md."""
