"""A table of letters: how many of each group there are, with the first and the last time and an example."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from dataflow.clock import rfc3339
from dataflow.replay.rows import Letter

_HOUR_US = 3_600_000_000
_UNKNOWN = "-"

#: What letters are grouped by -> the group of a letter.
GROUPS: dict[str, Callable[[Letter], str]] = {
    "reason": lambda letter: letter.reason,
    "key": lambda letter: _UNKNOWN if letter.key is None else letter.key,
    "hour": lambda letter: (
        _UNKNOWN if letter.time is None else rfc3339(letter.time - letter.time % _HOUR_US, "s")
    ),
    "source": lambda letter: letter.partition,
}


@dataclass
class _Group:
    example: Letter
    count: int = 0
    first: int | None = None
    last: int | None = None

    def add(self, letter: Letter) -> None:
        self.count += 1
        if letter.time is not None:
            self.first = letter.time if self.first is None else min(self.first, letter.time)
            self.last = letter.time if self.last is None else max(self.last, letter.time)


def table(batches: Iterable[Sequence[Letter]], by: str) -> list[str]:
    """The table as lines, the largest group first."""
    groups: dict[str, _Group] = {}
    for letters in batches:
        for letter in letters:
            groups.setdefault(GROUPS[by](letter), _Group(letter)).add(letter)
    ordered = sorted(groups.items(), key=lambda item: (-item[1].count, item[0]))
    cells = [("count", by, "first", "last", "example")]
    cells += [(str(g.count), name, _time(g.first), _time(g.last), _example(g.example)) for name, g in ordered]
    return aligned(cells)


def line(letter: Letter) -> str:
    """A letter in one line."""
    key = _UNKNOWN if letter.key is None else letter.key
    return f"{_time(letter.time)}  {letter.reason}  {key}  {_example(letter)}"


def aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines, in columns.

    >>> aligned([("count", "reason"), ("12", "bad_time")])
    ['count  reason', '12     bad_time']
    """
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _time(us: int | None) -> str:
    return _UNKNOWN if us is None else rfc3339(us, "s")


def _example(letter: Letter) -> str:
    return f"{letter.partition} {letter.offset}: {letter.message}"
