"""How many incidents are true, where the events have labels or people marked incidents."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.backtest.incidents import Incident
from dataflow.backtest.marked import FixedMarks, RecordedMarks
from dataflow.backtest.recorded import Recorded
from dataflow.clock import micros
from dataflow.errors import SettingsError
from dataflow.items.embedding import embeddings
from dataflow.items.fixed import Fixed, to_fixed
from dataflow.marks.likeness import Marks
from dataflow.marks.line import Mark

_ALWAYS = datetime(1970, 1, 1, tzinfo=timezone.utc)
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
    attributes = _attributes(recorded, _examples(incidents))
    if attributes and not any(field in each for each in attributes.values()):
        there = ", ".join(sorted({name for each in attributes.values() for name in each})) or "none"
        raise SettingsError(f"--labels {field}: the events have no such attribute; there are {there}")
    labelled = {event for event, each in attributes.items() if each.get(field)}

    def judge(incident: Incident) -> bool | None:
        events = [(incident.key, each["id"]) for each in incident.examples]
        known = [event in labelled for event in events if event in attributes]
        return 2 * sum(known) > len(known) if known else None

    return judge


def by_marks(known: RecordedMarks, recorded: Recorded, radius: float, incidents: Iterable[Incident]) -> Judge:
    """An incident is true if a mark ``real`` names it, and false if only marks ``expected`` do. An incident
    that no mark names is true if as many of its examples resemble a mark ``real`` as resemble a mark
    ``expected``, or more; if none does, it is not known.

    The last word about each text counts, whenever it was said. ``radius``: ``alert.radius``.
    """
    marks = last_words(known.marks)
    named: dict[str, set[str]] = {}
    for mark in marks:
        named.setdefault(str(mark.incident), set()).add(mark.mark)
    always = tuple(mark.model_copy(update={"ts": _ALWAYS, "until": None}) for mark in marks)
    likeness = Marks(FixedMarks(always), known.vectors, radius)
    vectors = _vectors(recorded, _examples(incidents)) if marks else {}

    def judge(incident: Incident) -> bool | None:
        if incident.id in named:
            return "real" in named[incident.id]
        real = expected = 0
        for each in incident.examples if incident.kind == "events" else ():
            model, vector = vectors.get((incident.key, each["id"]), (None, None))
            if vector is not None:
                of_example = (incident.key, micros(_ALWAYS), model, vector[None])
                real += int(likeness.real(*of_example)[0])
                expected += likeness.expected(*of_example)[0] is not None
        return real >= expected if real or expected else None

    return judge


def last_words(marks: Iterable[Mark]) -> list[Mark]:
    """The marks that were not taken back, each as it was said last."""
    last: dict[str, Mark] = {}
    for mark in marks:
        if mark.name not in last or last[mark.name].first <= mark.first:
            last[mark.name] = mark
    return [mark for mark in last.values() if mark.mark != "none"]


def _examples(incidents: Iterable[Incident]) -> set[tuple[str, str]]:
    """The examples of incidents, by key and id."""
    return {(each.key, example["id"]) for each in incidents for example in each.examples}


def _vectors(recorded: Recorded, events: set[tuple[str, str]]) -> dict[tuple[str, str], tuple[str, Fixed]]:
    """The model and the embedding of events, by key and id."""
    found: dict[tuple[str, str], tuple[str, Fixed]] = {}
    wanted = pa.array(sorted({id for _, id in events}), pa.string())
    for batch in recorded.batches(("key", "id", "model", "model_version", "embedding")):
        some = batch.filter(pc.is_in(batch.column("id"), wanted))
        rows = some.select(["key", "id", "model", "model_version"]).to_pylist()
        for row, vector in zip(rows, to_fixed(embeddings(some)), strict=True):
            found.setdefault((row["key"], row["id"]), (f"{row['model']} {row['model_version']}", vector))
    return found


def _attributes(recorded: Recorded, events: set[tuple[str, str]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The attributes of events, by key and id."""
    found: dict[tuple[str, str], str] = {}
    wanted = pa.array(sorted({id for _, id in events}), pa.string())
    for batch in recorded.batches(("key", "id", "attributes")):
        rows = batch.filter(pc.is_in(batch.column("id"), wanted)).to_pylist()
        found |= {(row["key"], row["id"]): row["attributes"] for row in rows}
    return {event: orjson.loads(found[event]) for event in events if event in found}
