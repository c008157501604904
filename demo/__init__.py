"""``python -m demo``: runs Driftline with a real Triton on a generated stream with planted anomalies."""
