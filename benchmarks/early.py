"""``python -m benchmarks.early``: which alerts come before the window ends, and are they right?

The real stages read labelled streams of SMS, and the stream of the demo, with the model of ``model_repo/``
in this process. The time of an event counts as the time when the event arrives.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np

from benchmarks.kit.corpus import SHARED, is_here
from benchmarks.kit.figures import Figure, report
from benchmarks.kit.incidents import detection
from benchmarks.kit.judged import alerts, scored
from benchmarks.kit.labelled import STREAMS, Case, Event, sms
from benchmarks.kit.measure import table
from dataflow.clock import micros
from dataflow.embed import open_embedder
from dataflow.settings import Embed
from dataflow.source.demo_log import Plan, record

BUDGETS = ("20/d", "100/d")
BURST_GAP_US = 10 * 60_000_000
HEADS = (
    "stream",
    "budget",
    "provisional",
    "of them confirmed",
    "incidents",
    "of them announced",
    "announced before the window ends by, seconds",
    "delay of a burst, seconds",
    "without alert.early",
)


class Found(NamedTuple):
    """What one stream gives. ``leads``: seconds. ``delays``, ``plain``: of bursts, with and without early
    alerts, in seconds.
    """

    confirmed: list[bool]
    announced: list[bool]
    leads: list[float]
    delays: list[float]
    plain: list[float]


def cases(seeds: int) -> Iterator[Case]:
    """Streams of SMS with bursts, and of the demo."""
    for seed in range(seeds):
        for share in (0.13, 0.05):
            yield Case(f"sms, bursts {share:.0%}", sms("burst", share, seed), {})
        plan = Plan(seed=7 + seed)
        lines = [record(plan, index) for index in range(plan.events)]
        events = [Event(line, line["label"] is not None) for line in lines]
        yield Case("demo", events, {})


def found(case: Case, rows: list[dict[str, Any]], length_us: int) -> Found:
    """Compare the provisional incidents of ``rows``, rows of ``ALERT``, with the others."""
    rows = [row for row in rows if row["kind"] == "events"]
    first = {row["incident"]: row for row in rows if row["sequence"] == 0}
    early = {id: row for id, row in first.items() if row["state"] == "provisional"}
    last = {row["incident"]: row for row in rows}
    into = defaultdict(list)
    for id, row in early.items():
        if last[id]["state"] == "confirmed":
            incident = _end(last, last[id]["merged_into"])
            # Else the incident was there before, and the event opens it again.
            if row["decided"] < first[incident]["decided"]:
                into[incident].append(row)
    final = [id for id in first if id not in early and last[id]["state"] not in ("merged", "withdrawn")]
    others = [row for row in rows if row["incident"] not in early]
    return Found(
        confirmed=[last[id]["state"] == "confirmed" for id in early],
        announced=[id in into for id in final],
        leads=[
            (first[id]["decided"] - min(row["decided"] for row in into[id])) / 1e6
            for id in final
            if id in into
        ],
        delays=list(detection(case.events, rows, BURST_GAP_US, length_us).delays),
        plain=list(detection(case.events, others, BURST_GAP_US, length_us).delays),
    )


def _end(last: dict[str, dict[str, Any]], id: str) -> str:
    """The incident that goes on, of an incident that merged."""
    while last[id]["state"] == "merged":
        id = last[id]["merged_into"]
    return id


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.early")
    parser.add_argument("--seeds", type=int, default=3, help="of each stream; default: %(default)s")
    seeds = parser.parse_args().seeds
    if not is_here(STREAMS, SHARED):
        return
    embedder = open_embedder(Embed(kind="onnx", cache_rows=100_000))
    every: dict[tuple[str, str], list[Found]] = defaultdict(list)
    for case in cases(seeds):
        stream = scored(case, embedder, early=True)
        for budget in BUDGETS:
            # The streams last three hours.
            rows = alerts(stream, budget=budget, history=timedelta(0), examples=100)
            every[case.name, budget].append(found(case, rows, micros(stream.settings.window.length)))
            print(case.name, budget, every[case.name, budget][-1], flush=True)
    table(
        f"Alerts before the window ends, {seeds} seeds",
        HEADS,
        [(*name, *_row(some)) for name, some in every.items()],
    )
    report([figure for name, some in every.items() for figure in _figures(" ".join(name), some)])


def _figures(name: str, some: list[Found]) -> Iterator[Figure]:
    """The shares that the goals are about: of all seeds, and their range over the seeds."""
    for field, what, goal in (
        ("confirmed", "provisional incidents that are confirmed", 0.95),
        ("announced", "incidents that a provisional one announces", 0.95),
    ):
        each = [getattr(one, field) for one in some]
        shares = [float(np.mean(one)) for one in each if one]
        value = float(np.mean([flag for one in each for flag in one]))
        yield Figure(f"{what}, {name}", value, min(shares), max(shares), len(shares), goal=goal)


def _row(some: list[Found]) -> Iterator[str]:
    confirmed, announced, leads, delays, plain = (
        [each for one in some for each in getattr(one, name)] for name in Found._fields
    )
    yield str(len(confirmed))
    yield f"{np.mean(confirmed):.0%}"
    yield str(len(announced))
    yield f"{np.mean(announced):.0%}"
    yield f"{np.median(leads):.0f}"
    yield f"{np.mean(delays):.0f}"
    yield f"{np.mean(plain):.0f}"


if __name__ == "__main__":
    main()
