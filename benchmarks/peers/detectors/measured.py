"""What detectors of libraries and Driftline find in a stream, and at which cost."""

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks.kit.figures import Figure, middle, ratio
from benchmarks.kit.labelled import FLOW, Case, embedded_texts
from benchmarks.kit.offline import Numbers, Vectors
from benchmarks.peers.environments import ROOT, python_of
from benchmarks.quality import Quality, quality, scored, values
from dataflow.clock import micros
from dataflow.embed.base import Embedder
from dataflow.items.arrays import Int64s
from dataflow.items.schemas import TIMESTAMP
from dataflow.settings import load

#: Events before a window that a detector learns from.
KNOWN = 2000
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
        program = (str(python_of("detectors")), "-m", "benchmarks.peers.detectors.programs.libraries")
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
