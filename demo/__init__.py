"""``python -m demo``: the whole of Driftline on a stream whose anomalies are known. See ``make demo``."""
