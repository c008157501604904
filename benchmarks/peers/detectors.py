"""``python -m benchmarks.peers.detectors``: detectors of libraries and Driftline on the same streams.

All get the same embeddings and the same windows. A detector of a library learns from the 2,000 events before
a window, as many as Driftline's reference holds, and says how unusual each event of the window is. An event's
value is its highest. CPU time is that of the detectors; for Driftline it is that of the whole dataflow with
embeddings from the cache, from file to file, which makes alerts and drift as well.

    --streams "sms burst 13%" ...   only these; default: all with at most 100 windows
    --seeds 5                       of each stream of SMS
    --slow                          also the detectors that train a network for each window
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks.kit.candidates import exported
from benchmarks.kit.figures import Figure, middle, ratio, report
from benchmarks.kit.labelled import FLOW, STREAMS, Case, cases, embedded_texts
from benchmarks.kit.measure import table
from benchmarks.kit.offline import Numbers, Vectors
from benchmarks.peers.environments import ROOT, python_of, versions
from benchmarks.quality import Quality, mean, quality, scored, values
from dataflow.clock import micros
from dataflow.embed import open_embedder
from dataflow.embed.base import Embedder
from dataflow.items.arrays import Int64s
from dataflow.items.schemas import TIMESTAMP
from dataflow.settings import Embed, load

MODEL = "all-MiniLM-L6-v2"
#: Events before a window that a detector learns from.
KNOWN = 2000
#: Streams with more windows are left out: a detector that learns anew for each takes a second or more for it.
MOST_WINDOWS = 100
#: Threads that wait for each other would count as CPU time.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
COLUMNS = ("score", "novelty", "surge", "anomaly")
DRIFTLINE = "Driftline"
OURS = f"{DRIFTLINE} `anomaly`"
#: Places in :class:`~benchmarks.quality.Quality`.
AUROC, AP = 0, 1


class Measured(NamedTuple):
    """``cpu_ms``: CPU milliseconds of a window."""

    quality: Quality
    cpu_ms: float


def windows(ts: Int64s, length: int, slide: int, known: int = KNOWN) -> Int64s:
    """``(w, 3)``: the first row that is known before each window, its first row, and the first row after it.

    ``ts``: ``(n,)``, ascending. All in microseconds.
    """
    last = ts // slide * slide
    starts = np.unique(last[:, None] - np.arange(0, length, slide))
    first, after = np.searchsorted(ts, starts), np.searchsorted(ts, starts + length)
    found: Int64s = np.stack([np.maximum(first - known, 0), first, after], axis=1)
    return found


class Stream(NamedTuple):
    """What the detectors of libraries get.

    ``order``: ``(n,)``, the events by time. ``vectors``: ``(n, dim)``, in that order. ``windows``: see
    :func:`windows`.
    """

    order: Int64s
    vectors: Vectors
    windows: Int64s


def read(case: Case, embedder: Embedder) -> Stream:
    """The embeddings of a stream in the order of time, and its windows."""
    settings = load({**FLOW, **case.environ})
    times = pa.array([event.line["ts"] for event in case.events]).cast(TIMESTAMP).cast(pa.int64()).to_numpy()
    order = np.argsort(times, kind="stable")
    vectors = embedder.embed(embedded_texts(case.events, settings)).vectors[order]
    length, slide = micros(settings.window.length), micros(settings.window.slide)
    return Stream(order, vectors, windows(times[order], length, slide))


def by_libraries(case: Case, stream: Stream, slow: bool) -> dict[str, Measured]:
    """What the detectors of libraries find."""
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder, "stream.npz"), Path(folder, "out.json")
        np.savez(data, vectors=stream.vectors, windows=stream.windows)
        program = (str(python_of("detectors")), "-m", "benchmarks.peers.programs.detectors")
        command = [*program, str(data), str(out), *(["--slow"] if slow else [])]
        subprocess.run(command, check=True, cwd=ROOT, env=os.environ | _ONE_THREAD)
        answer: dict[str, Any] = json.loads(out.read_text())
    return {name: judged(case, stream.order, said) for name, said in answer.items()}


def judged(case: Case, order: Int64s, said: Mapping[str, Any]) -> Measured:
    """How well a library finds the anomalies of ``case``. ``said``: its answer, in ``order``."""
    found: Numbers = np.empty(len(order))
    found[order] = [-np.inf if value is None else value for value in said["values"]]
    return Measured(quality(case, found), said["cpu_s"] * 1000 / max(said["windows"], 1))


def by_driftline(case: Case, embedder: Embedder) -> dict[str, Measured]:
    """What the columns of the dataflow find. The embedder must know all texts."""
    began = time.process_time()
    rows = scored(case, embedder)
    cpu_ms = (time.process_time() - began) * 1000 / len({row["window_start"] for row in rows})
    return {
        f"{DRIFTLINE} `{column}`": Measured(quality(case, found), cpu_ms)
        for column, found in values(case, rows).items()
        if column in COLUMNS
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.detectors")
    parser.add_argument("--streams", nargs="+", metavar="NAME", help="only these streams")
    parser.add_argument("--seeds", type=int, default=5, help="of each stream of SMS; default: %(default)s")
    parser.add_argument("--slow", action="store_true", help="also detectors that train a network")
    arguments = parser.parse_args()
    if not STREAMS.exists():
        print(f"{STREAMS} does not exist; there is nothing to measure")
        return
    embedder = open_embedder(Embed(kind="onnx", repository=exported(MODEL, "fp32").root, cache_rows=100_000))
    measured: dict[str, dict[str, list[Measured]]] = defaultdict(lambda: defaultdict(list))
    for case in cases(arguments.seeds):
        if case.pinned or (arguments.streams and case.name not in arguments.streams):
            continue
        stream = read(case, embedder)
        if len(stream.windows) > MOST_WINDOWS:
            print(f"{case.name} is not measured: it has {len(stream.windows)} windows")
            continue
        found = by_libraries(case, stream, arguments.slow) | by_driftline(case, embedder)
        for detector, one in found.items():
            measured[case.name][detector].append(one)
    for name, detectors in measured.items():
        rows = [
            (detector, mean([one.quality for one in each]), f"{np.median([one.cpu_ms for one in each]):.0f}")
            for detector, each in detectors.items()
        ]
        table(name, ("", "AUROC / average precision / precision at k", "CPU ms a window"), rows)
    report(
        [figure for name, detectors in measured.items() for figure in figures(name, detectors)],
        versions("detectors", "pyod", "alibi-detect"),
    )


def figures(name: str, measured: Mapping[str, Sequence[Measured]]) -> list[Figure]:
    """How well the column ``anomaly`` ranks the events of a stream, beside the best detector of a library."""
    ours = measured[OURS]
    peers = {detector: each for detector, each in measured.items() if not detector.startswith(DRIFTLINE)}
    found = []
    for what, of in (("AUROC", AUROC), ("average precision", AP)):
        means = {
            detector: statistics.mean(one.quality[of] for one in each) for detector, each in peers.items()
        }
        best = max(means, key=lambda detector: means[detector])
        title = f"{name}: {what} of `anomaly`, goal: {best}"
        found.append(middle(title, [one.quality[of] for one in ours], goal=means[best]))
    for detector, each in peers.items():
        title = f"{name}: CPU of a window, Driftline / {detector}"
        found.append(ratio(title, [one.cpu_ms for one in ours], [one.cpu_ms for one in each]))
    return found


if __name__ == "__main__":
    main()
