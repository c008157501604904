"""Rows of the stream ``scores`` as the demo's dataflow writes them."""

import json


def line(
    name: str,
    score: float,
    anomaly: float | None,
    *,
    novelty: float = 0.5,
    surge: float = 0.0,
    label: str | None = None,
    drift: bool = False,
    ts: str = "2026-03-02T06:01:02.500000Z",
    text: str | None = None,
    sentence: str | None = None,
) -> str:
    """A line of JSON. Without an ``anomaly`` all columns of the reference are null."""
    known = anomaly is not None
    row = {
        "id": name,
        "ts": ts,
        "text": text or f"text of {name} [not markup]",
        "score": score,
        "attributes": {"label": label, "drift": drift, "service": "s"},
        "novelty": novelty if known else None,
        "surge": surge if known else None,
        "anomaly": anomaly,
        "explanation": {"sentence": sentence} if sentence else None,
    }
    return json.dumps(row) + "\n"
