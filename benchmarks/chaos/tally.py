"""The tally of a proof: is every record accounted for, is each row there once, are the scores equal?"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, NamedTuple

from benchmarks.chaos.stream import Expected, record_id
from dataflow.clock import micros, rfc3339
from dataflow.sink.encoding import IDENTITY

Row = Mapping[str, Any]
_Identity = tuple[Any, ...]
#: What differs between two runs by design: the day of an append, and when a record was read.
_OF_THE_RUN = {"dead_letters": ("day", "envelope")}


class Output(NamedTuple):
    """What a sink has in the end. ``once``: the sink promises each row exactly once, not at least once.
    ``sink``: what kind of sink it is.
    """

    stream: str
    rows: Sequence[Row]
    once: bool
    sink: str = ""


@dataclass
class SinkTally:
    """``rows``: different rows that must be there. ``repeated``: copies of a row where they are allowed.
    ``twice``: copies where they are not. ``different``: rows, or copies, with another content. ``worst``: the
    largest difference of two numbers that were compared.
    """

    rows: int = 0
    missing: int = 0
    extra: int = 0
    twice: int = 0
    repeated: int = 0
    different: int = 0
    worst: float = field(default=0.0)

    @property
    def good(self) -> bool:
        return not (self.missing or self.extra or self.twice or self.different)


@dataclass
class Accounts:
    """What became of the records. Each of them is ``scored``, ``late`` or ``dead``; ``wrong``: any other
    outcome, such as a window that is missing.
    """

    scored: int = 0
    late: int = 0
    dead: int = 0
    wrong: int = 0


def compare(found: Output, calm: Sequence[Row], tolerance: float = 0.0) -> SinkTally:
    """Compare what a disturbed run wrote with what an undisturbed run wrote to a sink of the same kind.

    ``tolerance``: how far two numbers may differ, as a share of the larger one.
    """
    want = {_identity(found.stream, row): _content(found.stream, row) for row in calm}
    have: dict[_Identity, list[Row]] = defaultdict(list)
    for row in found.rows:
        have[_identity(found.stream, row)].append(_content(found.stream, row))
    copies = sum(len(rows) - 1 for rows in have.values())
    tally = SinkTally(len(want), len(want.keys() - have.keys()), len(have.keys() - want.keys()))
    tally.twice, tally.repeated = (copies, 0) if found.once else (0, copies)
    for identity in want.keys() & have.keys():
        for row in have[identity]:
            distance = _distance(row, want[identity])
            tally.different += distance > tolerance
            tally.worst = max(tally.worst, 0.0 if math.isinf(distance) else distance)
    return tally


def account(
    expected: Expected, scores: Sequence[Row], late: Sequence[Row], dead: Sequence[Row]
) -> tuple[Accounts, list[str]]:
    """What became of each record, and the ids of the records with a wrong outcome."""
    windows: dict[str, set[int]] = defaultdict(set)
    for row in scores:
        windows[row["id"]].add(micros(datetime.fromisoformat(row["window_start"].replace("Z", "+00:00"))))
    want: dict[str, set[int]] = defaultdict(set)
    for id, start in expected.rows:
        want[id].add(start)
    was_late, was_dead = {row["id"] for row in late}, {record_id(row) for row in dead}
    wrong = {id for id in want.keys() | windows.keys() if want.get(id) != windows.get(id)}
    wrong |= (expected.late ^ was_late) | (expected.dead ^ was_dead)
    accounts = Accounts(
        scored=len(want.keys() - wrong),
        late=len(expected.late - wrong),
        dead=len(expected.dead - wrong),
        wrong=len(wrong),
    )
    return accounts, sorted(wrong)


def canonical(row: Row) -> dict[str, Any]:
    """``row`` with its times as RFC 3339, as JSON has them."""
    return {name: _canonical(value) for name, value in row.items()}


def _canonical(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(micros(value))
    if isinstance(value, dict):
        return canonical(value)
    return [_canonical(each) for each in value] if isinstance(value, list) else value


def _identity(stream: str, row: Row) -> _Identity:
    return tuple(row[name] for name in IDENTITY[stream])


def _content(stream: str, row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in _OF_THE_RUN.get(stream, ())}


def _distance(one: Any, other: Any) -> float:
    """0 if two values are equal, the relative difference of two numbers, infinity for all other values."""
    if one == other:
        return 0.0
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) / max(abs(one), abs(other))
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return max(_distance(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return max(_distance(*pair) for pair in zip(one, other, strict=True))
    return math.inf


def counts(record: SinkTally | Accounts) -> dict[str, Any]:
    """The fields by name."""
    return {each.name: getattr(record, each.name) for each in fields(record)}
