"""``python -m benchmarks.growth [--parts rate length ...]``: how does the cost of an event grow?

It runs the whole pipeline with the null embedder on one core, and changes one thing at a time: the rate of
the stream, the length of windows, length/slide, the number of keys, the dimension of embeddings, the number
of processes, and what is computed. It prints CPU microseconds and bytes of state for each event, and draws a
picture of each part into ``--out``, with the limit.

A cost is the difference of a long run and a short one, so the start does not count. Other work on the machine
disturbs CPU time less than time by the clock.
"""

import argparse
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.kit.costs import one_core, progress_us
from benchmarks.kit.curves import BASE, PARTS, STAGES, Costs, Curve, drawn, measure, rows
from benchmarks.kit.figures import Figure, middle, not_measured, ratio, report
from benchmarks.kit.machine import ROOT
from benchmarks.kit.measure import table
from benchmarks.kit.plots import LIMIT, Bar, Line, Panel, panels, short, waterfall

OUT = ROOT / "out" / "bench" / "plots"
PROCESSES, COMPUTED = "processes", "stages"
ALL = (*PARTS, PROCESSES, COMPUTED)
HEADS = ("CPU us an event", "to the first", "limit, us", "bytes of state an event")
#: So that each process has keys.
MANY = replace(BASE, keys=1000)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth")
    parser.add_argument("--parts", nargs="+", choices=ALL, default=ALL, metavar="PART", help=", ".join(ALL))
    parser.add_argument("--full", action="store_true", help="more points, such as 1,000,000 keys")
    parser.add_argument("--events", type=int, default=40_000, help="of a run; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=1, help="runs of each point; default: %(default)s")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the pictures; default: %(default)s")
    arguments = parser.parse_args()
    found: list[Figure] = []
    with TemporaryDirectory() as folder:
        costs = Costs(Path(folder), arguments.events, arguments.rounds)
        curves = [name for name in PARTS if name in arguments.parts]
        if curves:
            machine = one_core()
            found += [
                middle("one core: fp32 products", [machine.flops / 1e9], "GFLOP/s"),
                middle("one core: triad", [machine.bandwidth / 1e9], "GB/s"),
            ]
        for name in curves:
            curve = measure(PARTS[name], costs, arguments.full, machine)
            table(f"Growth: {name}", (PARTS[name].label, *HEADS), rows(curve))
            panels(arguments.out / f"growth-{name}.png", title(name, curve), drawn(curve, machine))
            found += figures(name, curve)
        if PROCESSES in arguments.parts:
            found += processes(costs, arguments.out)
        if COMPUTED in arguments.parts:
            found += computed(costs, arguments.out)
    report(found)


def title(name: str, curve: Curve) -> str:
    """The message of a picture: how much more the last point costs than the first."""
    first, last = curve.ends
    cpu = median(curve.us[last]) / median(curve.us[first])
    state = curve.state[last] / curve.state[first]
    ends = f"{name.capitalize()} from {short(first)} to {short(last)}"
    return f"{ends}: {cpu:.2g} times the CPU time, {state:.2g} times the state"


def figures(name: str, curve: Curve) -> list[Figure]:
    first, last = curve.ends
    ends = f"{short(last)} / {short(first)}"
    return [
        ratio(f"{name}: CPU an event, {ends}", curve.us[last], curve.us[first]),
        ratio(f"{name}: state an event, {ends}", [curve.state[last]], [curve.state[first]]),
    ]


def processes(costs: Costs, out: Path) -> list[Figure]:
    """One process on each core, up to two: events a second, and the CPU time of an event."""
    most = min(2, len(os.sched_getaffinity(0)))
    points = {count: replace(MANY, processes=count) for count in range(1, most + 1)}
    spent = {count: costs.spent(point, times=6) for count, point in points.items()}
    us = {count: [each.cpu * 1e6 for each in of] for count, of in spent.items()}
    rate = {count: [1 / each.busiest for each in of] for count, of in spent.items()}
    clock = {count: median(1 / each.wall for each in of) for count, of in spent.items()}
    first, last = median(us[1]), median(rate[1])
    cells = [
        (
            str(count),
            f"{median(us[count]):.1f}",
            f"{median(us[count]) / first:.2f}",
            f"{median(rate[count]):,.0f}",
            f"{clock[count]:,.0f}",
        )
        for count in points
    ]
    heads = (PROCESSES, *HEADS[:2], "events / CPU s of the busiest process", "events/s by the clock")
    table(f"Growth: {PROCESSES}, {MANY.keys:,} keys", heads, cells)
    stamp = progress_us()
    found = [middle("processes: the step progress", [stamp], "us")]
    if most < 2:
        not_measured("two processes", "this machine has one core")
        return found
    times, more = median(rate[2]) / last, median(us[2]) / first
    x = list(points)
    lines = [
        Line("measured", x, [median(each) for each in rate.values()]),
        Line("limit: linear growth", x, [last * each for each in x], LIMIT, dashed=True),
    ]
    cpu = [
        Line("measured", x, [median(each) for each in us.values()]),
        Line("limit: no growth", x, [first] * len(x), LIMIT, dashed=True),
    ]
    panels(
        out / "growth-processes.png",
        f"Two processes: {times:.2g} times the events, {more:.2g} times the CPU time an event",
        [
            Panel("throughput", PROCESSES, "events / CPU s of the busiest process", lines),
            Panel("CPU time of all processes", PROCESSES, "µs an event", cpu),
        ],
    )
    return [
        *found,
        ratio("processes: events / CPU s of the busiest, 2 / 1", rate[2], rate[1]),
        middle(
            "processes: the second adds", [two - one for one, two in zip(us[1], us[2], strict=True)], "us"
        ),
    ]


def computed(costs: Costs, out: Path) -> list[Figure]:
    """What each kind of result adds to the CPU time of an event."""
    us = {name: costs.us(point) for name, point in STAGES.items()}
    names = list(us)
    added = {names[0]: us[names[0]]}
    for before, this in pairwise(names):
        added[this] = [more - less for less, more in zip(us[before], us[this], strict=True)]
    cells = [(name, f"{median(us[name]):.1f}", f"{median(each):+.1f}") for name, each in added.items()]
    table("What is computed, length/slide = 2", ("up to", "CPU us an event", "this adds"), cells)
    total = median(us[names[-1]])
    bars = [
        Bar(
            "scorer mean, nothing else" if name == names[0] else name, median(each), f"{median(each):+.0f} µs"
        )
        for name, each in added.items()
    ]
    dearest = max(added, key=lambda name: median(added[name]))
    heading = (
        f"An event costs {total:.0f} µs of a core; {dearest} {median(added[dearest]) / total:.0%} of that"
    )
    waterfall(
        out / "growth-stages.png", heading, "CPU µs an event, each event in two windows", bars, "all together"
    )
    verbs = {"mean": "stages: mean, CPU an event", "reference and alerts": "stages: reference and alerts add"}
    return [middle(verbs.get(name, f"stages: {name} adds"), each, "us") for name, each in added.items()]


if __name__ == "__main__":
    main()
