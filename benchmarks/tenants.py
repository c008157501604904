"""``python -m benchmarks.tenants``: how often does the p-value of a new key fire on normal traffic?

Normal SMS are divided over keys, ten of which begin in the second half of the stream. The real flow reads the
stream, with the model of ``model_repo/`` in this process.
"""

import argparse
import json
import random
from collections import defaultdict
from typing import Any

import numpy as np

from benchmarks.kit.corpus import SHARED, is_here
from benchmarks.kit.figures import middle, report
from benchmarks.kit.labelled import Case, Event
from benchmarks.kit.measure import table
from benchmarks.quality import scored
from dataflow.clock import rfc3339
from dataflow.embed import open_embedder
from dataflow.embed.base import Embedder
from dataflow.settings import Embed

KEYS, NEW_KEYS = 30, 10
#: From one event of the stream to the next, in microseconds.
PERIOD = 10_000_000
#: How the flow reads the stream.
FIELDS = {
    "DRIFTLINE_SOURCE__KEY_FIELD": "key",
    "DRIFTLINE_SCORE__KIND": "mean",
    "DRIFTLINE_WINDOW__KEY_GROUPS": "1",
}
#: The share of events with such a p-value is measured.
P_VALUE = 0.01
#: The events of a new key, counted from 1, that are measured together.
RANGES = ((1, 49), (50, 100), (101, 1000))


def stream(seed: int) -> list[dict[str, Any]]:
    """Normal messages in random order, each with a key and a time."""
    draw = random.Random(seed)
    lines = [json.loads(line) for line in (SHARED / "sms.jsonl").read_text().splitlines()]
    texts = [line["text"] for line in lines if not line["label"]]
    draw.shuffle(texts)
    keys = [draw.randrange(KEYS) for _ in texts]
    moments = [draw.random() / 2 + 0.5 if key < NEW_KEYS else draw.random() for key in keys]
    return [
        {
            "id": f"{seed}-{place}",
            "ts": rfc3339(1_767_225_600_000_000 + place * PERIOD, "s"),
            "text": texts[at],
            "key": f"new {keys[at]}" if keys[at] < NEW_KEYS else str(keys[at]),
        }
        for place, at in enumerate(np.argsort(moments).tolist())
    ]


def p_values(
    events: list[dict[str, Any]], embedder: Embedder, environ: dict[str, str]
) -> dict[str, list[float]]:
    """The p-values of each event, by its id; NaN: not known."""
    case = Case("tenants", [Event(event, None) for event in events], FIELDS | environ)
    found = defaultdict(list)
    for row in scored(case, embedder):
        found[row["id"]].append(np.nan if row["p_value"] is None else row["p_value"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tenants")
    parser.add_argument("--seeds", type=int, default=5, help="default: %(default)s")
    arguments = parser.parse_args()
    if not is_here(SHARED):
        return
    embedder = open_embedder(Embed(kind="onnx", cache_rows=100_000))
    rows, figures = [], []
    for pooled in ("true", "false"):
        of_range: dict[tuple[int, int], list[float]] = {places: [] for places in RANGES}
        for seed in range(arguments.seeds):
            events = stream(seed)
            found = p_values(events, embedder, {"DRIFTLINE_SCORE__POOLED": pooled})
            counts: dict[str, int] = defaultdict(int)
            for event in events:
                counts[event["key"]] += 1
                for first, last in RANGES:
                    if event["key"].startswith("new") and first <= counts[event["key"]] <= last:
                        of_range[first, last] += found[event["id"]]
        for (first, last), values in of_range.items():
            known = np.array(values)[~np.isnan(values)]
            rate = float(np.mean(known <= P_VALUE)) if len(known) else np.nan
            rows.append((pooled, f"{first} to {last}", f"{len(known) / len(values):.0%}", f"{rate:.2%}"))
            name = f"share of events {first} to {last} of a new key with p <= {P_VALUE}, pooled={pooled}"
            figures.append(middle(name, [rate]))
            print(*rows[-1], len(known), flush=True)
    table(f"p_value of new keys at most {P_VALUE}", ("pooled", "events", "known", "rate"), rows)
    report([figure for figure in figures if not np.isnan(figure.value)])


if __name__ == "__main__":
    main()
