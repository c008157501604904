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
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np

from benchmarks.kit.candidates import exported
from benchmarks.kit.corpus import is_here
from benchmarks.kit.figures import not_measured, report
from benchmarks.kit.labelled import STREAMS, Case, cases
from benchmarks.kit.measure import table
from benchmarks.peers.detectors.measured import Measured, by_driftline, by_libraries, figures, read
from benchmarks.peers.environments import versions
from benchmarks.quality import mean
from dataflow.embed import open_embedder
from dataflow.embed.base import Embedder
from dataflow.settings import Embed

MODEL = "all-MiniLM-L6-v2"
#: Streams with more windows are left out: a detector that learns anew for each takes a second or more for it.
MOST_WINDOWS = 100


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.detectors")
    parser.add_argument("--streams", nargs="+", metavar="NAME", help="only these streams")
    parser.add_argument("--seeds", type=int, default=5, help="of each stream of SMS; default: %(default)s")
    parser.add_argument("--slow", action="store_true", help="also detectors that train a network")
    arguments = parser.parse_args()
    if not is_here(STREAMS):
        return
    embedder = open_embedder(Embed(kind="onnx", repository=exported(MODEL, "fp32").root, cache_rows=100_000))
    measured: dict[str, dict[str, list[Measured]]] = {}
    for name, of_stream in groupby(cases(arguments.seeds), key=lambda case: case.name):
        if not arguments.streams or name in arguments.streams:
            detectors = measure(list(of_stream), embedder, arguments.slow)
            if detectors:
                measured[name] = detectors
                show(name, detectors)
    report(
        [figure for name, detectors in measured.items() for figure in figures(name, detectors)],
        versions("detectors", "pyod", "alibi-detect"),
    )


def measure(of_stream: Sequence[Case], embedder: Embedder, slow: bool) -> dict[str, list[Measured]]:
    """What each detector finds in a stream, one with each seed."""
    found: dict[str, list[Measured]] = defaultdict(list)
    for case in of_stream:
        if case.pinned:
            continue
        stream = read(case, embedder)
        if len(stream.windows) > MOST_WINDOWS:
            not_measured(case.name, f"it has {len(stream.windows)} windows, more than {MOST_WINDOWS}")
            continue
        for detector, one in (by_libraries(case, stream, slow) | by_driftline(case, embedder)).items():
            found[detector].append(one)
    return found


def show(name: str, detectors: Mapping[str, Sequence[Measured]]) -> None:
    rows = [
        (detector, mean([one.quality for one in each]), f"{np.median([one.cpu_ms for one in each]):.0f}")
        for detector, each in detectors.items()
    ]
    table(name, ("", "AUROC / average precision / precision at k", "CPU ms a window"), rows)


if __name__ == "__main__":
    main()
