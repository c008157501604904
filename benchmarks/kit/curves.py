"""The curves of :mod:`benchmarks.growth`: what changes, and what each point costs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.kit.costs import (
    Machine,
    Point,
    Spent,
    kmeans_iterations,
    row_bytes,
    run,
    sources,
    state_bytes,
)
from benchmarks.kit.plots import LIMIT, OTHER, Line, Panel, short
from dataflow.settings import Score

BASE = Point()


#: How many times as many events a run with a cheap scorer has, so that it takes long beside its start.
_CHEAP = 4
#: The long run lasts at least so many lengths of a window, and the short one a quarter of that. What they
#: differ by then has whole windows.
_LENGTHS = 4


@dataclass(frozen=True)
class Part:
    """What changes: ``values`` of the field ``name`` of a :class:`Point`; a quick run has those of ``quick``.

    ``linear``: the cost of an event grows with the value, where that of others ought to stay.
    ``log``: the logarithmic axes. ``copies``: also draw the state with a copy for each window.
    ``scorer``: as ``score.kind``.
    """

    name: str
    label: str
    values: Sequence[float]
    quick: Sequence[float]
    linear: bool = False
    log: str = "x"
    copies: bool = False
    scorer: str = "kmeans"

    def points(self, full: bool) -> dict[float, Point]:
        """The point of each value."""
        kind, base = type(getattr(BASE, self.name)), replace(BASE, scorer=self.scorer)
        values = self.values if full else self.quick
        return {each: replace(base, **{self.name: kind(each)}) for each in values}


PARTS = {
    "rate": Part("per_second", "events a second of event time", (2, 20, 60, 200), (2, 20, 60)),
    "length": Part("length_s", "length of windows, s", (60, 600, 1800, 3600), (60, 600, 1800)),
    "overlap": Part(
        "overlap", "length/slide", (1, 2, 5, 10, 60), (1, 2, 10), linear=True, log="xy", copies=True
    ),
    # With k-means, many keys would cost less: their windows have no more events than clusters.
    "keys": Part("keys", "keys", (1, 100, 10_000, 100_000, 1_000_000), (1, 100, 10_000), scorer="mean"),
    "dimension": Part(
        "dim", "numbers of an embedding", (384, 768, 1536), (384, 768, 1536), linear=True, log=""
    ),
}
_REFERENCE = ("DRIFTLINE_SCORE__REFERENCE", "true")
#: Windows of 1,200 events, so that a run has many of them.
_SMALL = replace(BASE, per_second=2)
#: What is computed: each adds to the one before.
STAGES = {
    "mean": replace(_SMALL, scorer="mean"),
    "k-means": _SMALL,
    "reference and alerts": replace(_SMALL, more=(_REFERENCE, ("DRIFTLINE_DRIFT__ENABLED", "false"))),
    "drift": replace(_SMALL, more=(_REFERENCE,)),
}


class Costs:
    """Measures points, each once, by the difference of a long run and a short one, which start alike.

    ``events``: of the long run; more if there are more keys, or if windows are long. The short one has a
    quarter.
    """

    def __init__(self, folder: Path, events: int, rounds: int) -> None:
        self._folder, self._events, self._rounds = folder, events, rounds
        self._found: dict[Point, list[Spent]] = {}

    def spent(self, point: Point, times: int = 1) -> list[Spent]:
        """Seconds an event, one for each round. ``times``: how many times as many events as usual."""
        if point not in self._found:
            cheap = _CHEAP if point.scorer == "mean" else 1
            whole = int(_LENGTHS * point.length_s * point.per_second)
            most = max(self._events * times * cheap, point.keys, whole)
            counts = (most // 4, most)
            files = [sources(self._folder, point, count) for count in counts]
            rounds = [[run(point, each, self._folder) for each in files] for _ in range(self._rounds)]
            self._found[point] = [long.each(short, counts[1] - counts[0]) for short, long in rounds]
        return self._found[point]

    def iterations(self, point: Point) -> int:
        """Of k-means on a window of a run; 0 for another scorer, or if windows are too small."""
        rows = int(point.window_rows)
        clustered = point.scorer == "kmeans" and rows > Score().clusters
        return kmeans_iterations(rows, point.dim) if clustered else 0

    def us(self, point: Point) -> list[float]:
        """CPU microseconds an event, one for each round."""
        return [each.cpu * 1e6 for each in self.spent(point)]


@dataclass(frozen=True)
class Curve:
    """What a part costs: at each value, CPU microseconds an event (one for each round), the least that they
    could be, and bytes of state an event.
    """

    part: Part
    us: dict[float, list[float]]
    least_us: dict[float, float]
    state: dict[float, float]

    @property
    def ends(self) -> tuple[float, float]:
        """The first and the last value."""
        return next(iter(self.us)), list(self.us)[-1]


def measure(part: Part, costs: Costs, full: bool, machine: Machine) -> Curve:
    """Runs each point of a part."""
    points = part.points(full)
    return Curve(
        part,
        {value: costs.us(point) for value, point in points.items()},
        {value: machine.least_us(point, costs.iterations(point)) for value, point in points.items()},
        {value: state_bytes(point) for value, point in points.items()},
    )


def drawn(curve: Curve, machine: Machine) -> list[Panel]:
    """CPU time and state, each with its limits."""
    part, x = curve.part, list(curve.us)
    us = [median(each) for each in curve.us.values()]
    grown = [us[0] * (each / x[0] if part.linear else 1) for each in x]
    limit = f"limit: copies at {machine.bandwidth / 1e9:.1f} GB/s"
    if part.scorer == "kmeans":
        limit += f" and\nk-means' products at {machine.flops / 1e9:.0f} GFLOP/s"
    cpu = [
        Line("measured", x, us),
        Line("linear growth" if part.linear else "no growth", x, grown, OTHER, dashed=True),
        Line(limit, x, list(curve.least_us.values()), LIMIT, dashed=True),
    ]
    once = [row_bytes(int(each) if part.name == "dim" else BASE.dim) for each in x]
    state = [
        Line("measured", x, list(curve.state.values())),
        Line("limit: each row once", x, once, LIMIT, dashed=True),
    ]
    if part.copies:
        copied = [size * each for size, each in zip(once, x, strict=True)]
        state.insert(1, Line("a copy for each window", x, copied, OTHER, dashed=True))
    return [
        Panel("CPU time, one core", part.label, "µs an event", cpu, part.log),
        Panel("state of windows", part.label, "bytes an event of an open window", state, part.log),
    ]


def rows(curve: Curve) -> list[tuple[str, ...]]:
    """The curve as rows of a table."""
    first = median(curve.us[curve.ends[0]])
    return [
        (
            short(value),
            f"{median(us):.1f}",
            f"{median(us) / first:.2f}",
            f"{curve.least_us[value]:.2f}",
            f"{curve.state[value]:,.0f}",
        )
        for value, us in curve.us.items()
    ]
