"""``python -m benchmarks.quality``: does the flow find the anomalies of labelled streams?

The real flow reads each stream, with the model of ``model_repo/`` in this process. An event's value is its
largest over all its windows; a value that is not known counts as the lowest one.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from bytewax.testing import run_main
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.kit.corpus import SHARED
from benchmarks.kit.measure import table
from dataflow.clock import utc_now
from dataflow.decode.batch import check_format
from dataflow.decode.masking import masked, patterns_of
from dataflow.embed import open_embedder
from dataflow.embed.base import Embedder
from dataflow.flow import build
from dataflow.settings import Embed, Settings, load
from dataflow.sink import open_sink
from dataflow.source import open_source

COLUMNS = ("score", "novelty", "surge", "rarity", "anomaly")
#: Makes labelled streams of SMS.
STREAMS = SHARED.parent / "quality" / "streams.py"
LOGS = {"DRIFTLINE_PROFILE": "logs"}
#: A masked line that is there at most so often counts as an anomaly of a log without labels.
RARE = 4

Numbers = npt.NDArray[np.float64]


class Event(NamedTuple):
    """A line of a stream, and whether it is an anomaly; ``None``: it does not count."""

    line: dict[str, Any]
    label: bool | None


class Case(NamedTuple):
    """A stream of labelled events, and how the flow reads it."""

    name: str
    events: Sequence[Event]
    environ: Mapping[str, str]


def sms(kind: str, share: float, seed: int) -> list[Event]:
    """A stream of SMS with spam, see ``streams.py``."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "stream.jsonl")
        command = [sys.executable, str(STREAMS), kind, str(share), str(seed), str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [Event(line, bool(line["label"]) if line["test"] else None) for line in lines]


def log(name: str) -> list[Event]:
    """The lines of a log; their label says whether they are anomalies."""
    lines = [json.loads(line) for line in (SHARED / f"{name}.jsonl").read_text().splitlines()]
    return [Event(line, bool(line.get("label"))) for line in lines]


def cases(seeds: int) -> Iterator[Case]:
    for kind, share in (("burst", 0.13), ("burst", 0.05), ("scatter", 0.03)):
        for seed in range(seeds):
            yield Case(f"sms {kind} {share:.0%}, seed {seed}", sms(kind, share, seed), {})
    week = {"DRIFTLINE_WINDOW__LENGTH": "7d", "DRIFTLINE_WINDOW__SLIDE": "84h"}
    yield Case("bgl, windows of 7 d", log("bgl"), LOGS | week)
    yield Case("bgl, windows of 10 min", log("bgl"), LOGS)
    yield Case("openssh, windows of 10 min", _rare(log("openssh")), LOGS)


def _rare(events: Sequence[Event]) -> list[Event]:
    """The events of a log without labels: lines that are rare when they are masked are anomalies."""
    texts = pa.array([event.line["text"] for event in events])
    forms = pc.coalesce(masked(texts, patterns_of(load(LOGS).source.mask)), texts).to_pylist()
    counts = Counter(forms)
    return [Event(event.line, counts[form] <= RARE) for form, event in zip(forms, events, strict=True)]


def values(case: Case, embedder: Embedder) -> dict[str, Numbers]:
    """Column -> ``(n,)``, the value of each event of the case; ``-inf`` where it is not known."""
    with TemporaryDirectory() as folder:
        source, sink = Path(folder, "stream.jsonl"), Path(folder, "scores.jsonl")
        source.write_text("".join(json.dumps(event.line) + "\n" for event in case.events))
        environ = {
            "DRIFTLINE_SOURCE__URI": f"file:{source}",
            "DRIFTLINE_SOURCE__ID_FIELD": "id",
            "DRIFTLINE_SINK__SCORES": f"file:{sink}",
            "DRIFTLINE_SCORE__REFERENCE": "true",
            **case.environ,
        }
        run(load(environ), embedder)
        rows = [json.loads(line) for line in sink.read_text().splitlines()]
    best = {column: dict.fromkeys((e.line["id"] for e in case.events), -np.inf) for column in COLUMNS}
    for row in rows:
        for column, known in best.items():
            if row[column] is not None:
                known[row["id"]] = max(known[row["id"]], row[column])
    return {column: np.array(list(known.values())) for column, known in best.items()}


def run(settings: Settings, embedder: Embedder) -> None:
    """Run the flow in this process."""
    source = open_source(settings, clock=utc_now, check_format=partial(check_format, settings))
    run_main(
        build(
            settings,
            source=source,
            embedder=embedder,
            sink=lambda stream, uri: open_sink(uri, settings, stream=stream),
        )
    )


class Quality(NamedTuple):
    """AUROC, average precision, and the precision of the ``k`` highest values, where ``k`` are anomalies."""

    auroc: float
    ap: float
    precision: float


def quality(case: Case, found: Numbers) -> Quality:
    """How well values find the anomalies of a case."""
    counts = np.array([event.label is not None for event in case.events])
    labels = np.array([bool(event.label) for event in case.events])[counts]
    known = found[counts]
    lowest = known[np.isfinite(known)].min(initial=0.0) - 1
    known = np.where(np.isfinite(known), known, lowest)
    top = np.argsort(-known, kind="stable")[: labels.sum()]
    return Quality(
        float(roc_auc_score(labels, known)),
        float(average_precision_score(labels, known)),
        float(labels[top].mean()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality")
    parser.add_argument("--seeds", type=int, default=5, help="of each stream of SMS; default: %(default)s")
    arguments = parser.parse_args()
    if not STREAMS.exists():
        print(f"{STREAMS} does not exist; there is nothing to measure")
        return
    embedder = open_embedder(Embed(kind="onnx", cache_rows=100_000))
    rows = []
    for case in cases(arguments.seeds):
        found = {column: quality(case, numbers) for column, numbers in values(case, embedder).items()}
        rows.append((case.name, *(f"{q.auroc:.3f} / {q.ap:.3f} / {q.precision:.2f}" for q in found.values())))
        print(*rows[-1], flush=True)
    table("AUROC / average precision / precision at k", ("stream", *COLUMNS), rows)


if __name__ == "__main__":
    main()
