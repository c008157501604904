"""One script per question; each prints a table with peers of the same run: docs/explanation/benchmarks.md."""
