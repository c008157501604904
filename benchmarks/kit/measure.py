"""Timing of candidates that take turns, and the tables that the benchmarks print."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Took:
    """Seconds of one run: by the wall clock, and of CPU."""

    wall: float
    cpu: float


def race(
    rounds: int,
    candidates: Mapping[str, Callable[[], object]],
    *,
    cpu_seconds: Callable[[], float] = time.process_time,
    warm_up: bool = False,
    pause_s: float = 0.0,
) -> dict[str, list[Took]]:
    """Runs each candidate once in each round, so that a slow moment of the machine affects all candidates.

    ``cpu_seconds``: the CPU time used so far; by default that of this process. ``warm_up``: one more round
    comes first and is not counted. ``pause_s``: the pause after each run.
    """
    taken: dict[str, list[Took]] = {name: [] for name in candidates}
    for number in range(-1 if warm_up else 0, rounds):
        for name, run in candidates.items():
            wall, cpu = time.perf_counter(), cpu_seconds()
            run()
            took = Took(time.perf_counter() - wall, cpu_seconds() - cpu)
            if number >= 0:
                taken[name].append(took)
            time.sleep(pause_s)
    return taken


def median(taken: Sequence[Took]) -> Took:
    """The median of the wall-clock times and the median of the CPU times."""
    return Took(statistics.median(took.wall for took in taken), statistics.median(took.cpu for took in taken))


def medians(taken: Mapping[str, Sequence[Took]]) -> dict[str, Took]:
    """The median of each candidate."""
    return {name: median(runs) for name, runs in taken.items()}


def markdown(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = (heads, ["---"] * len(heads), *rows)
    return "".join("| " + " | ".join(str(cell) for cell in cells) + " |\n" for cells in lines)


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a Markdown table."""
    print(f"\n{title}\n\n{markdown(heads, rows)}", end="", flush=True)
