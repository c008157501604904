"""How many incidents are true, where the events have labels."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.backtest.incidents import Incident
from dataflow.backtest.recorded import Recorded
from dataflow.errors import SettingsError

#: Whether an incident is true; ``None``: not known.
Judge = Callable[[Incident], bool | None]


@dataclass(frozen=True)
class Precision:
    """``true``, ``false``: so many incidents; ``unknown``: those of which nothing is known."""

    true: int
    false: int
    unknown: int

    @property
    def share(self) -> float | None:
        """The share of true incidents among those that are known; ``None``: none is."""
        known = self.true + self.false
        return self.true / known if known else None


def precision(incidents: Iterable[Incident], judge: Judge) -> Precision:
    """How many incidents are true, without those that were withdrawn or merged.

    >>> precision([], lambda incident: True).share is None
    True
    """
    found = [judge(each) for each in incidents if each.state not in ("withdrawn", "merged")]
    return Precision(found.count(True), found.count(False), found.count(None))


def by_label(recorded: Recorded, field: str, incidents: Iterable[Incident]) -> Judge:
    """An incident is true if more than half of its examples have a label: a value of the attribute ``field``
    that is not empty, false, zero or null.

    Raises ``SettingsError`` if no example has the attribute.
    """
    ids = {(each.key, example["id"]) for each in incidents for example in each.examples}
    attributes = _attributes(recorded, ids)
    if attributes and not any(field in each for each in attributes.values()):
        there = ", ".join(sorted({name for each in attributes.values() for name in each})) or "none"
        raise SettingsError(f"--labels {field}: the events have no such attribute; there are {there}")
    labelled = {event for event, each in attributes.items() if each.get(field)}

    def judge(incident: Incident) -> bool | None:
        events = [(incident.key, each["id"]) for each in incident.examples]
        known = [event in labelled for event in events if event in attributes]
        return 2 * sum(known) > len(known) if known else None

    return judge


def _attributes(recorded: Recorded, events: set[tuple[str, str]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The attributes of events, by key and id."""
    found: dict[tuple[str, str], str] = {}
    wanted = pa.array(sorted({id for _, id in events}), pa.string())
    for batch in recorded.batches(("key", "id", "attributes")):
        rows = batch.filter(pc.is_in(batch.column("id"), wanted)).to_pylist()
        found |= {(row["key"], row["id"]): row["attributes"] for row in rows}
    return {event: orjson.loads(found[event]) for event in events if event in found}
