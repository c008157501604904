"""``python -m benchmarks.step_change``: for how long is a new topic that stays an alarm?

A stream of SMS has no spam at first. From one moment on, every other event is spam: a topic that comes and
stays. The real flow reads the stream with the settings that it has by default, and the model of
``model_repo/`` in this process. An event is an alarm if its ``p_value`` is at most 0.01 in a window.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

import numpy as np

from benchmarks.kit.corpus import SHARED, is_here
from benchmarks.kit.figures import middle, report
from benchmarks.kit.labelled import Case, Event
from benchmarks.kit.measure import table
from benchmarks.quality import scored
from dataflow.embed import open_embedder
from dataflow.settings import Embed

#: The time from one event to the next: windows of 60 events.
PACE = timedelta(seconds=10)
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
ALARM = 0.01


class Share(NamedTuple):
    """The shares of the events of a window that are alarms: of the new topic, and of the others.

    ``start``: of the window. ``new``, ``old``: in [0, 1]; 0 if there are none.
    """

    start: str
    new: float
    old: float


def stream(texts: Sequence[str], topic: Sequence[str]) -> list[Event]:
    """``texts`` alone, and at the end as many of them as ``topic`` has, in turns with ``topic``."""
    before = len(texts) - len(topic)
    sequence = [(text, False) for text in texts[:before]]
    for text, new in zip(texts[before:], topic, strict=True):
        sequence += [(text, False), (new, True)]
    return [
        Event({"id": f"e{i}", "ts": (START + i * PACE).isoformat(), "text": text}, label)
        for i, (text, label) in enumerate(sequence)
    ]


def shares(events: Sequence[Event], rows: Sequence[Mapping[str, Any]]) -> list[Share]:
    """The shares of each window, from the first window with the new topic on."""
    is_new = {event.line["id"]: bool(event.label) for event in events}
    alarms: dict[str, dict[bool, list[bool]]] = defaultdict(lambda: {True: [], False: []})
    for row in rows:
        alarms[row["window_start"]][is_new[row["id"]]].append((row["p_value"] or 1.0) <= ALARM)
    found = [
        Share(start, *(float(np.mean(of[new])) if of[new] else 0.0 for new in (True, False)))
        for start, of in sorted(alarms.items())
    ]
    first = next(i for i, share in enumerate(found) if alarms[share.start][True])
    return found[first:]


def main() -> None:
    path = SHARED / "sms.jsonl"
    if not is_here(path):
        return
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    rng = np.random.default_rng(0)
    texts, topic = ([line["text"] for line in lines if bool(line["label"]) == spam] for spam in (False, True))
    for each in (texts, topic):
        rng.shuffle(each)
    events = stream(texts, topic)
    rows = scored(Case("step", events, {}), open_embedder(Embed(kind="onnx", cache_rows=100_000)))
    found = shares(events, rows)
    table(
        f"Share of the events of a window with a p_value of at most {ALARM}",
        ("window", "new topic", "others"),
        [(share.start, f"{share.new:.0%}", f"{share.old:.0%}") for share in found],
    )
    report(
        [
            middle(f"share of alarms among events of a new topic, {name} window", [share.new])
            for name, share in (("first", found[0]), ("last", found[-1]))
        ]
    )


if __name__ == "__main__":
    main()
