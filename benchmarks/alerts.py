"""``python -m benchmarks.alerts``: is the budget of alerts kept, and do incidents find what they should?

Weeks of resampled texts, and labelled streams. The real stages up to the score read each stream once, with
the model of ``model_repo/`` in this process. The real alert stage then decides with several budgets.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np

from benchmarks.kit import weeks
from benchmarks.kit.corpus import SHARED, is_here
from benchmarks.kit.figures import Figure, report
from benchmarks.kit.incidents import Detection, detection, open_hours, rate
from benchmarks.kit.judged import alerts, scored
from benchmarks.kit.labelled import LOGS, STREAMS, Case, log, sms
from benchmarks.kit.measure import table
from benchmarks.kit.weeks import DAY_US, HOUR_US, START_US
from dataflow.clock import micros
from dataflow.embed import open_embedder
from dataflow.embed.base import Embedder
from dataflow.settings import Embed, Window

BUDGETS = (5, 20, 100)
KEYS = 1_000
#: Simulated weeks; ``changed``: SMS that change, ``keys``: SMS of 1,000 keys.
WEEKS = ("sms", "openssh", "bgl", "changed", "keys")
#: The stream changes after so many days, and a flood of equal events comes.
CHANGE, FLOOD = 3, 10_000
#: Events with a label belong to one burst if the next one comes within this time.
SMS_GAP_US, LOG_GAP_US = 10 * 60_000_000, HOUR_US
#: How far the rate of new incidents may be off the budget, as a share of it.
OFF = 0.2
#: How long the windows of all streams are.
LENGTH_US = micros(Window().length)
#: Alerts do not depend on the scorer, and this one is fast.
FAST = {"DRIFTLINE_SCORE__KIND": "mean"}
HEADS = (
    "stream",
    "budget",
    "week",
    "lowest day",
    "highest day",
    "days 1 to 3",
    "new in the next hour",
    "from then on",
    "99 % last at most, hours",
)
BURST_HEADS = (
    "stream",
    "bursts",
    "found",
    "incidents in a burst that is found",
    "seconds to the first alert",
    "true incidents of a stream",
    "false ones",
)


def week(name: str, seed: int) -> Case:
    """A week without a change, or one in which half of the stream becomes spam."""
    ham, spam = weeks.prose()
    n, rng = 7 * DAY_US // 1_000_000 // weeks.PACE_S, np.random.default_rng(seed)
    if name in ("openssh", "bgl"):
        texts = weeks.resampled(weeks.log_lines(name), n, rng, weeks.BLOCK)
        return Case(name, weeks.events(texts, rng), LOGS | FAST)
    texts = weeks.resampled(ham, n, rng)
    if name == "changed":
        changed = weeks.changed(texts, spam, CHANGE / 7, rng)
        return Case("sms, half spam from day 4 on", weeks.events(changed, rng), FAST)
    if name == "keys":
        environ, keys = FAST | {"DRIFTLINE_SOURCE__KEY_FIELD": "key"}, weeks.keys(n, KEYS, rng)
        return Case("sms, 1,000 keys", weeks.events(texts, rng, of_keys=keys), environ)
    return Case(name, weeks.events(texts, rng), FAST)


def print_weeks(embedder: Embedder, names: Sequence[str], seeds: int) -> Iterator[Figure]:
    """The rate of new incidents relative to the budget. Gives how far it is off over the week, and from one
    hour after the start of day 4 on.
    """
    found: dict[tuple[str, int], list[tuple[float, ...]]] = defaultdict(list)
    start, hour, end = (START_US + us for us in (CHANGE * DAY_US, CHANGE * DAY_US + HOUR_US, 7 * DAY_US))
    for case in (week(name, seed) for seed in range(seeds) for name in names):
        stream = scored(case, embedder)
        for budget in BUDGETS:
            rows = alerts(stream, budget=f"{budget}/d")
            days = [rate(rows, START_US + day * DAY_US, START_US + (day + 1) * DAY_US) for day in range(7)]
            lasted = open_hours(rows)
            found[case.name, budget].append(
                (
                    rate(rows, START_US, end) / budget,
                    min(days) / budget,
                    max(days) / budget,
                    rate(rows, START_US, start) / budget,
                    rate(rows, start, hour) / 24,
                    rate(rows, hour, end) / budget,
                    float(np.quantile(lasted, 0.99)),
                )
            )
            print(case.name, budget, *(f"{each:.2f}" for each in found[case.name, budget][-1]), flush=True)
    table(
        f"New incidents / budget; mean of {seeds} weeks",
        HEADS,
        [
            (name, f"{budget}/d", *(f"{each:.2f}" for each in np.mean(values, axis=0)))
            for (name, budget), values in found.items()
        ],
    )
    for (name, budget), values in found.items():
        for column, when in ((0, "a week"), (5, "from an hour after day 4 begins on")):
            off = [abs(each[column] - 1) for each in values]
            yield Figure(
                f"new incidents off the budget of {budget}/d, {name}, {when}",
                abs(float(np.mean([each[column] for each in values])) - 1),
                min(off),
                max(off),
                len(off),
                goal=OFF,
                at_most=True,
            )


def print_flood(embedder: Embedder) -> Figure:
    """How many incidents 10,000 equal anomalies make."""
    ham, spam = weeks.prose()
    rng = np.random.default_rng(0)
    day = weeks.events(weeks.resampled(ham, DAY_US // 1_000_000 // weeks.PACE_S, rng), rng)
    at = START_US + 20 * HOUR_US
    rows = alerts(
        scored(Case("flood", weeks.flooded(day, spam[0], FLOOD, at), FAST), embedder), budget="100/d"
    )
    about = {row["incident"]: row["count"] for row in rows if row["examples"][0]["text"] == spam[0]}
    table(
        f"A flood of {FLOOD:,} equal anomalies in one window",
        ("incidents", "events in them", "the others of the day"),
        [(len(about), sum(about.values()), len({row["incident"] for row in rows}) - len(about))],
    )
    return _once(f"incidents of {FLOOD:,} equal anomalies", len(about), 1)


def print_bursts(embedder: Embedder, seeds: int) -> Iterator[Figure]:
    """How well incidents find labelled bursts."""
    found: dict[str, list[Detection]] = defaultdict(list)
    for share in (0.13, 0.05):
        for seed in range(seeds):
            case = Case(f"sms, bursts {share:.0%}", sms("burst", share, seed), {})
            stream = scored(case, embedder)
            # The stream lasts three hours.
            rows = alerts(stream, budget="100/d", history=timedelta(0), examples=100)
            found[case.name].append(
                detection(case.events, rows, SMS_GAP_US, micros(stream.settings.window.length))
            )
    case = Case("bgl", log("bgl"), LOGS)
    stream = scored(case, embedder)
    for budget in BUDGETS:
        rows = alerts(stream, budget=f"{budget}/d", examples=100)
        found[f"bgl, {budget}/d"] = [
            detection(case.events, rows, LOG_GAP_US, micros(stream.settings.window.length))
        ]
    table(
        "Labelled bursts and incidents",
        BURST_HEADS,
        [(name, *_summary(some)) for name, some in found.items()],
    )
    for name, some in found.items():
        counts = np.array([each for detection in some for each in detection.found])
        delays = [each for detection in some for each in detection.delays]
        yield _once(f"bursts that are found, {name}", float(np.mean(counts > 0)))
        yield _once(f"incidents in a burst that is found, {name}", float(np.mean(counts[counts > 0])), 1)
        mean = float(np.mean(delays))
        yield Figure(f"to the first alert of a burst, {name}", mean, min(delays), max(delays), unit="s")


def _once(name: str, value: float, most: float | None = None) -> Figure:
    return Figure(name, value, value, value, goal=most, at_most=True)


def _summary(some: Sequence[Detection]) -> tuple[str, ...]:
    found = np.array([each for detection in some for each in detection.found])
    delays = [each for detection in some for each in detection.delays]
    return (
        str(len(found)),
        f"{np.mean(found > 0):.0%}",
        f"{np.mean(found[found > 0]):.2f}",
        f"{np.mean(delays):.0f}",
        f"{np.mean([each.true for each in some]):.1f}",
        f"{np.mean([each.false for each in some]):.1f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alerts")
    parser.add_argument("--seeds", type=int, default=5, help="of each stream of SMS; default: %(default)s")
    parser.add_argument("--streams", nargs="+", choices=WEEKS, help="weeks of these alone, and nothing else")
    parser.add_argument("--weeks", type=int, default=1, help="of each kind; default: %(default)s")
    arguments = parser.parse_args()
    if not is_here(STREAMS, SHARED):
        return
    embedder = open_embedder(Embed(kind="onnx", cache_rows=100_000))
    figures: list[Figure] = []
    if not arguments.streams:
        figures += [*print_bursts(embedder, arguments.seeds), print_flood(embedder)]
    figures += print_weeks(embedder, arguments.streams or WEEKS, arguments.weeks)
    report(figures)


if __name__ == "__main__":
    main()
