"""``python -m benchmarks.quality``: does the flow find the anomalies of labelled streams?

The real flow reads each stream, with the model of ``model_repo/`` in this process. An event's value is its
largest over all its windows; a value that is not known counts as the lowest one. Beside ``novelty`` there is
what libraries say offline of the same events and the same reference.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from bytewax.testing import run_main
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.kit.corpus import is_here
from benchmarks.kit.figures import Figure, report
from benchmarks.kit.labelled import FLOW, STREAMS, Case, cases, embedded_texts
from benchmarks.kit.measure import table
from benchmarks.kit.offline import Events, Numbers, Peer, novelties, peers
from dataflow.clock import utc_now
from dataflow.decode.batch import check_format
from dataflow.embed import open_embedder
from dataflow.embed.base import Embedder
from dataflow.flow import build
from dataflow.items.hashes import hashes
from dataflow.items.schemas import TIMESTAMP
from dataflow.settings import Embed, Settings, load
from dataflow.sink import open_sink
from dataflow.source import open_source

COLUMNS = ("score", "novelty", "surge", "rarity", "anomaly")


def scored(case: Case, embedder: Embedder) -> list[dict[str, Any]]:
    """The rows that the flow writes."""
    with TemporaryDirectory() as folder:
        source, sink = Path(folder, "stream.jsonl"), Path(folder, "scores.jsonl")
        source.write_text("".join(json.dumps(event.line) + "\n" for event in case.events))
        files = {"DRIFTLINE_SOURCE__URI": f"file:{source}", "DRIFTLINE_SINK__SCORES": f"file:{sink}"}
        if case.pinned:
            known_good = Path(folder, "pinned.jsonl")
            known_good.write_text("".join(json.dumps(line) + "\n" for line in case.pinned))
            files["DRIFTLINE_SCORE__PINNED"] = f"file:{known_good}"
        run(load({**FLOW, **case.environ, **files}), embedder)
        return [json.loads(line) for line in sink.read_text().splitlines()]


def values(case: Case, rows: Sequence[Mapping[str, Any]]) -> dict[str, Numbers]:
    """Column -> ``(n,)``, the value of each event of the case; ``-inf`` where it is not known."""
    best = {column: dict.fromkeys((e.line["id"] for e in case.events), -np.inf) for column in COLUMNS}
    for row in rows:
        for column, known in best.items():
            if row[column] is not None:
                known[row["id"]] = max(known[row["id"]], row[column])
    return {column: np.array(list(known.values())) for column, known in best.items()}


def offline(
    case: Case, rows: Sequence[Mapping[str, Any]], embedder: Embedder, libraries: Mapping[str, Peer]
) -> dict[str, Numbers]:
    """Library -> ``(n,)``, the novelty of each event of the case. ``rows``: those of the flow."""
    settings = load({**FLOW, **case.environ})
    surge = {row["id"]: row["surge"] for row in sorted(rows, key=lambda row: row["window_start"])}
    ids = [event.line["id"] for event in case.events]
    events = Events(
        vectors=embedder.embed(embedded_texts(case.events, settings)).vectors,
        ids=hashes(pa.array(ids)),
        ts=pa.array([event.line["ts"] for event in case.events]).cast(TIMESTAMP).cast(pa.int64()).to_numpy(),
        surge=np.array([surge[each] for each in ids], np.float64),
    )
    best = {library: np.full(len(ids), -np.inf) for library in libraries}
    for compared in novelties(events, settings, libraries):
        for library, found in compared.novelty.items():
            best[library][compared.rows] = np.maximum(best[library][compared.rows], found)
    return best


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
    if not is_here(STREAMS):
        return
    embedder, libraries = open_embedder(Embed(kind="onnx", cache_rows=100_000)), peers()
    measured: dict[str, list[dict[str, Quality]]] = defaultdict(list)
    for case in cases(arguments.seeds):
        rows = scored(case, embedder)
        found = values(case, rows)
        if case.offline:
            found |= offline(case, rows, embedder, libraries)
        each = {name: quality(case, numbers) for name, numbers in found.items()}
        measured[case.name].append(each)
        print(case.name, *(f"{name} {mean([value])}" for name, value in each.items()), sep=" | ", flush=True)
    heads = (*COLUMNS, *libraries)
    lines = [
        (name, *(mean([each[head] for each in streams if head in each]) for head in heads))
        for name, streams in measured.items()
    ]
    table("AUROC / average precision / precision at k; mean of the seeds", ("stream", *heads), lines)
    report([figure for name, streams in measured.items() for figure in figures(name, streams)])


def figures(name: str, streams: Sequence[Mapping[str, Quality]]) -> Iterator[Figure]:
    """The AUROC of ``score``, and that of the best column of the flow."""
    columns = {column: [each[column].auroc for each in streams] for column in COLUMNS if column in streams[0]}
    best = max(columns, key=lambda column: float(np.mean(columns[column])))
    for column in dict.fromkeys(("score", best)):
        of_seeds = columns[column]
        value = float(np.mean(of_seeds))
        yield Figure(f"AUROC of {column}, {name}", value, min(of_seeds), max(of_seeds), len(of_seeds))


def mean(measured: Sequence[Quality]) -> str:
    """The means of some streams in a few characters."""
    if not measured:
        return "-"
    auroc, ap, precision = np.mean(measured, axis=0)
    return f"{auroc:.3f} / {ap:.3f} / {precision:.2f}"


if __name__ == "__main__":
    main()
