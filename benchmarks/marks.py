"""``python -m benchmarks.marks``: do a few marks halve the false incidents, and keep the real ones?

A person marks the first 20 false incidents as ``expected``, each a second after the person sees it. Marks are
lines of a file, which grows while alerts are decided.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from benchmarks.kit import weeks
from benchmarks.kit.corpus import SHARED, is_here
from benchmarks.kit.figures import Figure, report
from benchmarks.kit.judged import Scored, alerts, alerts_live, scored
from benchmarks.kit.labelled import LOGS, STREAMS, Case, Event, log, rare, sms
from benchmarks.kit.measure import table
from benchmarks.kit.weeks import DAY_US, PACE_S, START_US
from dataflow.clock import rfc3339
from dataflow.embed import open_embedder
from dataflow.embed.base import Embedder
from dataflow.items.judged import Judged
from dataflow.marks.file import MarksFile
from dataflow.marks.likeness import Marks
from dataflow.marks.vectors import TextVectors
from dataflow.settings import Embed

#: A person marks so many incidents.
MARKS = 20
SECOND_US = 1_000_000
#: Alerts do not depend on the scorer, and this one is fast.
FAST = {"DRIFTLINE_SCORE__KIND": "mean"}
HEADS = (
    "stream",
    "marks",
    "false incidents after the last mark, without marks",
    "with marks",
    "real incidents without marks",
    "lost",
    "real incidents with marks",
    "labelled events in incidents, without marks",
    "lost",
)
Row = dict[str, Any]


class Told(NamedTuple):
    """The incidents of a stream. An incident is real if most of its examples have a label.

    ``opened``: incident -> when it was new. ``real``: incident -> its examples with a label. ``false``: the
    others.
    """

    opened: dict[str, int]
    real: dict[str, set[str]]
    false: set[str]


class Effect(NamedTuple):
    """What marks do: columns of the table."""

    marks: int
    false_before: int
    false_after: int
    real_before: int
    real_lost: int
    real_after: int
    events_before: int
    events_lost: int


def cases(seeds: int) -> Iterator[tuple[Case, str]]:
    """Streams with a budget each. The budget makes about 100 incidents."""
    for seed in range(100, 100 + seeds):
        for share in (0.05, 0.13):
            yield Case(f"sms, bursts {share:.0%}", paced(sms("burst", share, seed)), FAST), "100/d"
        label = {event.line["text"]: event.label for event in rare(log("openssh"))}
        rng = np.random.default_rng(seed)
        n = 7 * DAY_US // SECOND_US // PACE_S
        lines = weeks.resampled(weeks.log_lines("openssh"), n, rng, weeks.BLOCK)
        events = [event._replace(label=label[event.line["text"]]) for event in weeks.events(lines, rng)]
        yield Case("openssh, a week", events, LOGS | FAST), "20/d"
    yield Case("bgl", log("bgl"), LOGS | FAST), "20/d"


def paced(events: Sequence[Event]) -> list[Event]:
    """``events``, one in ``PACE_S`` seconds."""
    return [
        Event(event.line | {"ts": rfc3339(START_US + i * PACE_S * SECOND_US)}, bool(event.label))
        for i, event in enumerate(events)
    ]


def told(rows: Sequence[Row], labelled: set[str]) -> Told:
    """The incidents that ``rows`` tell of."""
    opened: dict[str, int] = {}
    for row in rows:
        opened.setdefault(row["incident"], row["decided"])
    last = {row["incident"]: row for row in rows}
    real, false = {}, set()
    for incident, row in last.items():
        if row["state"] in ("merged", "withdrawn"):
            continue
        events = [example["id"] for example in row["examples"]]
        mine = labelled.intersection(events)
        if len(mine) > len(events) / 2:
            real[incident] = mine
        else:
            false.add(incident)
    return Told(opened, real, false)


def line(row: Row, now: int) -> str:
    """The mark of a person who sees ``row`` at ``now``, in microseconds."""
    top = row["examples"][0]
    mark = {"mark": "expected", "text": top["text"], "nearest": top["nearest"], "incident": row["incident"]}
    return json.dumps(mark | {"ts": rfc3339(now + SECOND_US)}) + "\n"


def with_marks(stream: Scored, labelled: set[str], embedder: Embedder, **options: Any) -> list[list[Row]]:
    """The rows of a stream whose first false incidents are marked: live, replayed, and the marked ones."""
    settings = stream.settings
    with TemporaryDirectory() as folder:
        path = Path(folder, "marks.jsonl")

        def likeness() -> Marks:
            return Marks(MarksFile(path), TextVectors(embedder, settings.source.mask), settings.alert.radius)

        rows: list[Row] = []
        marked: list[Row] = []
        now = 0
        with path.open("a") as file:
            messages = [message for _, message in stream.messages]
            for message, new in zip(
                [*messages, None], alerts_live(stream, likeness(), **options), strict=True
            ):
                # No window that was decided ends later.
                now = max([now, *message.ends.tolist()]) if isinstance(message, Judged) else now
                rows += new
                for row in new:
                    is_false = row["state"] == "open" and row["examples"][0]["id"] not in labelled
                    if is_false and len(marked) < MARKS:
                        marked.append(row)
                        file.write(line(row, now))
                file.flush()
        return [rows, alerts(stream, likeness=likeness(), **options), marked]


def effect(case: Case, stream: Scored, embedder: Embedder, budget: str) -> Effect:
    """What marks do to a stream."""
    labelled = {event.line["id"] for event in case.events if event.label}
    options: dict[str, Any] = {"budget": budget, "history": timedelta(hours=1), "examples": 100}
    before = told(alerts(stream, **options), labelled)
    live, replayed, marked = with_marks(stream, labelled, embedder, **options)
    assert live == replayed, "a replay decides otherwise"
    after, since = told(live, labelled), marked[-1]["decided"]
    false = [sum(each.opened[incident] > since for incident in each.false) for each in (before, after)]
    events = set[str]().union(*before.real.values())
    kept = labelled.intersection(example["id"] for row in live for example in row["examples"])
    return Effect(
        marks=len(marked),
        false_before=false[0],
        false_after=false[1],
        real_before=len(before.real),
        real_lost=sum(not mine & kept for mine in before.real.values()),
        real_after=len(after.real),
        events_before=len(events),
        events_lost=len(events - kept),
    )


def _figures(name: str, some: Sequence[Effect]) -> Iterator[Figure]:
    """The shares that the goals are about: of all seeds, and their range over the seeds."""
    for what, over, under, goal in (
        ("false incidents that are left with marks", "false_after", "false_before", 0.5),
        ("labelled events of incidents that marks lose", "events_lost", "events_before", 0.02),
    ):
        pairs = [(getattr(each, over), getattr(each, under)) for each in some]
        shares = [a / b for a, b in pairs if b]
        value = sum(a for a, _ in pairs) / max(sum(b for _, b in pairs), 1)
        yield Figure(f"{what}, {name}", value, min(shares), max(shares), len(shares), goal=goal, at_most=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.marks")
    parser.add_argument("--seeds", type=int, default=2, help="of each stream; default: %(default)s")
    arguments = parser.parse_args()
    if not is_here(STREAMS, SHARED):
        return
    embedder = open_embedder(Embed(kind="onnx", cache_rows=100_000))
    found: dict[str, list[Effect]] = {}
    for case, budget in cases(arguments.seeds):
        found.setdefault(case.name, []).append(effect(case, scored(case, embedder), embedder, budget))
        print(case.name, *found[case.name][-1], flush=True)
    rows = [(name, *(str(sum(each)) for each in zip(*some, strict=True))) for name, some in found.items()]
    table(f"Marks of the first {MARKS} false incidents; sums of all seeds", HEADS, rows)
    report([figure for name, some in found.items() for figure in _figures(name, some)])


if __name__ == "__main__":
    main()
