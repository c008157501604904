"""The figures of a benchmark: what it found, how far apart the rounds were, and what was wanted.

A script prints its figures as a table, and says what it cannot measure here. Where the environment variable
``BENCHMARK_FIGURES`` names a file, it also writes both there, for ``python -m benchmarks``.
"""

import json
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.kit.measure import Took, table

#: Names the file that :func:`report` and :func:`not_measured` add lines to.
VARIABLE = "BENCHMARK_FIGURES"


@dataclass(frozen=True)
class Figure:
    """One figure of a run.

    ``least``, ``most``: of the rounds. ``unit``: empty for a ratio or a share. ``goal``: the least value that
    is wanted, or the most if ``at_most``.
    """

    name: str
    value: float
    least: float
    most: float
    rounds: int = 1
    unit: str = ""
    goal: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; nothing without a goal."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.at_most else self.value >= self.goal

    def cells(self) -> tuple[str, ...]:
        """The figure as a row of a table with :data:`HEADS`."""
        spread = f"{number(self.least)} to {number(self.most)}" if self.rounds > 1 else ""
        goal = "" if self.goal is None else f"{'<=' if self.at_most else '>='} {number(self.goal)}"
        met = {None: "", True: "yes", False: "no"}[self.met]
        return (self.name, f"{number(self.value)} {self.unit}".rstrip(), spread, goal, met)


HEADS = ("figure", "measured", "range of the rounds", "goal", "met")


def number(value: float) -> str:
    """``value`` with three digits that say something: 0.0123, 1.23, 1,230."""
    if value == 0 or 1000 <= abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def ratio(
    name: str,
    over: Sequence[float],
    under: Sequence[float],
    goal: float | None = None,
    *,
    at_most: bool = False,
) -> Figure:
    """The median of ``over`` by the median of ``under``.

    Each has one value for each round; the range is that of the ratios of one round.
    """
    each = [a / b for a, b in zip(over, under, strict=True)]
    value = statistics.median(over) / statistics.median(under)
    return Figure(name, value, min(each), max(each), len(each), goal=goal, at_most=at_most)


def speed(
    taken: Mapping[str, Sequence[Took]],
    candidate: str,
    base: str,
    goal: float | None = None,
    *,
    name: str = "",
    by_cpu: bool = False,
) -> Figure:
    """How many times as fast ``candidate`` is as ``base``: by the wall clock, or in CPU time."""
    over, under = ([took.cpu if by_cpu else took.wall for took in taken[one]] for one in (base, candidate))
    return ratio(name or f"{candidate} / {base}", over, under, goal)


def middle(
    name: str,
    values: Sequence[float],
    unit: str = "",
    goal: float | None = None,
    *,
    at_most: bool = False,
) -> Figure:
    """The median of ``values``, one for each round."""
    return Figure(name, statistics.median(values), min(values), max(values), len(values), unit, goal, at_most)


def report(figures: Sequence[Figure], versions: Mapping[str, str] | None = None) -> None:
    """Prints the figures. ``versions``: of the peers that were measured, by name."""
    table("", HEADS, [figure.cells() for figure in figures])
    for name, version in (versions or {}).items():
        print(f"{name} {version}", flush=True)
    _write([*({"figure": asdict(figure)} for figure in figures), {"versions": dict(versions or {})}])


def not_measured(what: str, why: object) -> None:
    """Says that ``what`` has no figures on this machine, and why."""
    print(f"not measured: {what} ({why})", flush=True)
    _write([{"not_measured": {what: str(why)}}])


def _write(lines: Iterable[Mapping[str, Any]]) -> None:
    """Adds ``lines`` to the file that :data:`VARIABLE` names, if it names one."""
    file = os.environ.get(VARIABLE)
    if file:
        with Path(file).open("a", encoding="utf-8") as out:
            out.writelines(json.dumps(line) + "\n" for line in lines)


class Reported(NamedTuple):
    """What a benchmark said. ``not_measured``: the reason by what has no figures."""

    figures: list[Figure]
    versions: dict[str, str]
    not_measured: dict[str, str]


def read(file: Path) -> Reported:
    """What :func:`report` and :func:`not_measured` wrote to ``file``; nothing if there is no file."""
    said = Reported([], {}, {})
    for line in file.read_text("utf-8").splitlines() if file.exists() else ():
        found: dict[str, Any] = json.loads(line)
        if "figure" in found:
            said.figures.append(Figure(**found["figure"]))
        said.versions.update(found.get("versions", {}))
        said.not_measured.update(found.get("not_measured", {}))
    return said
