"""The events of the demo stream: the operations log of a payments company that does not exist.

Scattered anomalies and bursts of failed payments are planted. The words of a new ledger are a slow drift.

:func:`record` is a pure function of ``(plan, index)``. So any event can be made without the others: after a
restart, in another worker, in a test. An event does not depend on the platform or on the order of calls.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

from dataflow.source.demo_phrases import APIS, BURST, NEW_LEDGER, PARAMETERS, PLANTED, ROUTINE

#: Event time between two events: a window of ten minutes has 150 events.
SPACING = timedelta(seconds=4)
#: Nearly all events arrive within seconds after they happened, some up to this much later.
MAX_LAG = timedelta(minutes=2)
#: One anomaly is planted in each run of so many events, at a random position.
ANOMALY_EVERY = 180
#: One burst is in each run of so much event time.
BURST_EVERY = timedelta(hours=4)
#: A burst begins at a random minute between these two times of its run.
BURST_BEGINS = (timedelta(hours=2), timedelta(hours=3, minutes=30))
#: How long a burst lasts.
BURST_LENGTH = timedelta(minutes=8)
#: The share of the events that belong to the burst while it lasts.
BURST_SHARE = 0.4
#: The label of the events of a burst.
BURST_LABEL = "burst"
#: The words of the new ledger come up at a steady pace between these two shares of the stream.
DRIFT = (0.2, 0.6)
#: The share of the events of three families that use the words of the new ledger after that.
DRIFT_SHARE = 0.5
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Plan:
    """Everything that the stream depends on. ``start``: the event time of the first event, with a zone."""

    seed: int = 7
    events: int = 3600
    start: datetime = datetime(2026, 3, 2, 6, tzinfo=timezone.utc)


def record(plan: Plan, index: int) -> dict[str, Any]:
    """Event ``index`` (0 <= index < plan.events): ``id, ts, text, service, label, drift``.

    ``label`` is the kind of a planted anomaly: ``burst``, or the kind of a scattered one; ``None`` for normal
    events. ``drift`` is true if the text uses the words of the new ledger, which are normal.
    """
    rng = Random(f"{plan.seed}:{index}")
    lag = timedelta(seconds=rng.expovariate(1 / 3) if rng.random() < 0.9 else rng.uniform(5, 120))
    ts = plan.start + index * SPACING + rng.random() * SPACING - min(lag, MAX_LAG)
    label, drift = anomaly(plan, index), False
    if label is not None:
        service, text = rng.choice(APIS), _planted(plan, index, label)
    else:
        name = rng.choices(tuple(ROUTINE), [family.weight for family in ROUTINE.values()])[0]
        family = ROUTINE[name]
        if in_burst(plan, ts) and rng.random() < BURST_SHARE:
            label, family = BURST_LABEL, BURST
        elif name in NEW_LEDGER and rng.random() < drift_share(plan, index):
            drift, family = True, NEW_LEDGER[name]
        service = rng.choice(family.services)
        text = _fill(rng.choice(family.phrases), rng)
    return {
        "id": f"pay-{index:06d}",
        "ts": ts.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "text": text,
        "service": service,
        "label": label,
        "drift": drift,
    }


def anomaly(plan: Plan, index: int) -> str | None:
    """The kind of anomaly that is planted at ``index``. Kinds take turns, so no kind comes in a burst."""
    turn, position = divmod(index, ANOMALY_EVERY)
    if position != Random(f"{plan.seed}:place:{turn}").randrange(ANOMALY_EVERY):
        return None
    return tuple(PLANTED)[turn % len(PLANTED)]


def burst_begins(plan: Plan, ts: datetime) -> datetime:
    """When the burst of the run begins that holds the time ``ts``."""
    run = (ts - plan.start) // BURST_EVERY
    earliest, latest = BURST_BEGINS
    rng = Random(f"{plan.seed}:burst:{run}")
    minutes = rng.randrange(earliest // _MINUTE, latest // _MINUTE)
    return plan.start + run * BURST_EVERY + minutes * _MINUTE


def in_burst(plan: Plan, ts: datetime) -> bool:
    """Whether a burst lasts at the time ``ts``."""
    return timedelta(0) <= ts - burst_begins(plan, ts) < BURST_LENGTH


def drift_share(plan: Plan, index: int) -> float:
    """The share of the events of three families that use the words of the new ledger, in [0, 1]."""
    begins, ends = DRIFT
    passed = (index / plan.events - begins) / (ends - begins)
    return DRIFT_SHARE * min(1.0, max(0.0, passed))


def _planted(plan: Plan, index: int, kind: str) -> str:
    phrases = list(PLANTED[kind])
    Random(f"{plan.seed}:{kind}").shuffle(phrases)
    round_ = index // ANOMALY_EVERY // len(PLANTED)
    return _fill(phrases[round_ % len(phrases)], Random(f"{plan.seed}:{index}:text"))


def _fill(phrase: str, rng: Random) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: PARAMETERS[match[1]](rng), phrase)
