"""The events of the demo stream: the operations log of a payments company that does not exist.

:func:`record` is a pure function of ``(plan, index)``. So any event can be made without the others: after a
restart, in another worker, in a test. An event does not depend on the platform or on the order of calls.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

from dataflow.source.demo_phrases import APIS, NEW_LEDGER, PARAMETERS, PLANTED, ROUTINE

#: Event time between two events: a window of ten minutes has 150 events.
SPACING = timedelta(seconds=4)
#: Nearly all events arrive within seconds after they happened, some up to this much later.
MAX_LAG = timedelta(minutes=2)
#: One anomaly is planted in each run of so many events, at a random position.
ANOMALY_EVERY = 180
#: After this share of the stream, three families use the words of the new ledger.
DRIFT_FROM = 0.55


@dataclass(frozen=True)
class Plan:
    """Everything that the stream depends on. ``start``: the event time of the first event, with a zone."""

    seed: int = 7
    events: int = 3600
    start: datetime = datetime(2026, 3, 2, 6, tzinfo=timezone.utc)


def record(plan: Plan, index: int) -> dict[str, Any]:
    """Event ``index`` (0 <= index < plan.events): ``id, ts, text, service, label, drift``.

    ``label`` is the kind of a planted anomaly, and ``None`` for all other events. ``drift`` is true if the
    text uses the words of the new ledger.
    """
    rng = Random(f"{plan.seed}:{index}")
    lag = timedelta(seconds=rng.expovariate(1 / 3) if rng.random() < 0.9 else rng.uniform(5, 120))
    ts = plan.start + index * SPACING + rng.random() * SPACING - min(lag, MAX_LAG)
    label, drift = anomaly(plan, index), False
    if label is not None:
        service, text = rng.choice(APIS), _planted(plan, index, label)
    else:
        name = rng.choices(tuple(ROUTINE), [family.weight for family in ROUTINE.values()])[0]
        drift = name in NEW_LEDGER and index >= DRIFT_FROM * plan.events
        family = NEW_LEDGER[name] if drift else ROUTINE[name]
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


def _planted(plan: Plan, index: int, kind: str) -> str:
    phrases = list(PLANTED[kind])
    Random(f"{plan.seed}:{kind}").shuffle(phrases)
    round_ = index // ANOMALY_EVERY // len(PLANTED)
    return _fill(phrases[round_ % len(phrases)], Random(f"{plan.seed}:{index}:text"))


def _fill(phrase: str, rng: Random) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: PARAMETERS[match[1]](rng), phrase)
