"""``python -m benchmarks.drift_days``: how many false drift alerts come in a day, how soon is a surge found?

The windows of simulated days go through the drift stage and the alert stage; the other stages are left out. A
day has windows of 10 minutes every 5 minutes. SMS without spam are drawn at random. Lines of a log are drawn
in blocks of 25 neighbouring lines, so lines depend on each other, and there is no drift. The reference is a
random sample of 2,000 of all earlier events.
"""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.stats import binomtest

from benchmarks.kit.corpus import SHARED, is_here
from benchmarks.kit.drift_streams import Corpus, Rows, corpus
from benchmarks.kit.figures import Figure, report
from benchmarks.kit.measure import table
from dataflow.alert.alerts import Alerts
from dataflow.alert.spending import level
from dataflow.drift.tracker import Tracker
from dataflow.embed import open_embedder
from dataflow.items.drift import Past, WindowSample
from dataflow.items.judged import Judged
from dataflow.items.schemas import EVIDENCE, EXPLANATION, SCORED
from dataflow.settings import Embed, Settings, Window

REFERENCE, DAY, STEP = 2000, 288, 300_000_000
#: Surges begin after so many steps.
SURGE = 96
#: Stream -> rows of a step.
STREAMS = {"sms": 100, "openssh": 250, "bgl": 250}
#: Alarms are also counted for higher chances than the default, because alerts at the default are few.
ALPHAS = (0.05, 0.2, 0.5)
NOTHING = pa.RecordBatch.from_pylist([], schema=pa.schema([*SCORED, *EVIDENCE, EXPLANATION]))


class Result(NamedTuple):
    """``lowest``: of each window with tests: its end, the tests, the lowest p-value. ``alerts``: rows."""

    lowest: list[tuple[int, int, float]]
    alerts: list[dict[str, Any]]


class Stream:
    """Windows of two steps. ``rows``: the rows of the corpus of each step."""

    def __init__(self, of: Corpus, steps: Sequence[Rows], seed: int) -> None:
        self._of, self._steps = of, steps
        self._rng = np.random.default_rng([seed, 1])
        self._rows, self._priority = np.empty(0, np.int64), np.empty(0)

    def __iter__(self) -> Iterator[tuple[int, Judged]]:
        """The end of each window, and what the score stage would say of it."""
        for number in range(1, len(self._steps)):
            window = np.concatenate(self._steps[number - 1 : number + 1])
            end = (number + 1) * STEP
            yield end, self._judged(number - 1, end, window)
            self._keep(self._steps[number - 1])

    def _keep(self, rows: Rows) -> None:
        """Take rows into the reference: those with the lowest random numbers stay, in time order."""
        self._rows = np.concatenate([self._rows, rows])
        self._priority = np.concatenate([self._priority, self._rng.random(len(rows))])
        kept = np.sort(np.argsort(self._priority, kind="stable")[:REFERENCE])
        self._rows, self._priority = self._rows[kept], self._priority[kept]

    def _judged(self, emission: int, end: int, window: Rows) -> Judged:
        n, vectors = len(window), self._of.vectors
        names = ("id", "text")
        texts: dict[str, Any] = {name: pa.array(window.astype(str)) for name in names}
        columns = {"ts": np.full(n, end), "revision": np.zeros(n, np.int32), "score": np.zeros(n)}
        rows = pa.record_batch(texts | columns | {"anomaly": np.zeros(n)})
        past = Past.whole(vectors[self._rows], self._rows.astype(str).astype(object))
        return Judged(
            emission=emission,
            keys=["all"],
            starts=np.array([end - 2 * STEP]),
            ends=np.array([end]),
            late=np.zeros(1, np.bool_),
            rows=np.array([n]),
            events=NOTHING,
            windows=np.empty(0, np.int64),
            vectors=vectors[:0],
            model="m",
            samples=[WindowSample(0, rows, vectors[window], past)],
        )


def run(stream: Stream) -> Result:
    """Take a stream through the two stages."""
    settings = Settings(window=Window(watermark="key"))
    tracker = Tracker(settings.drift, settings.window, keys=1)
    alerts = Alerts(settings.alert, settings.window, None, drift_alpha=settings.drift.alpha)
    found = Result([], [])
    for end, judged in stream:
        tested, _ = tracker.take(judged)
        found.lowest.extend((end, drift.tests, drift.p_value) for drift in tested.drifts)
        found.alerts.extend(alerts.take("0", tested))
    return found


def alarm_days(found: Result, alpha: float) -> int:
    """How many days have a window that alarms at ``alpha``."""
    days, last = set(), 0
    for end, tests, lowest in found.lowest:
        if lowest <= level(alpha, last, end, tests):
            days.add((end - 1) // (DAY * STEP))
        last = end
    return len(days)


def of_days(alarms: int, days: int) -> str:
    """How many of ``days`` have an alarm, and the exact 95 % interval of their true share.

    >>> of_days(3, 100)
    '3 (0.6 % to 8.5 %)'
    """
    low, high = binomtest(alarms, days).proportion_ci(method="exact")
    return f"{alarms} ({low:.1%} to {high:.1%})".replace("%", " %")


def stationary(of: Corpus, name: str, steps: int, rows: int, rng: np.random.Generator) -> list[Rows]:
    """Steps of ``rows`` rows each, without drift."""
    if name == "sms":
        return list(rng.choice(np.flatnonzero(~of.labels), (steps, rows)))
    starts = rng.integers(len(of.vectors) // 25, size=steps * rows // 25 + 2) * 25
    lines: npt.NDArray[np.int64] = (starts[:, None] + np.arange(25)).ravel()
    return list(lines[int(rng.integers(25)) :][: steps * rows].reshape(steps, rows))


def surged(of: Corpus, rows: int, share: float, rng: np.random.Generator) -> list[Rows]:
    """Nine hours of SMS, with spam from the last hour on."""
    steps = stationary(of, "sms", SURGE + 12, rows, rng)
    spam = np.flatnonzero(of.labels)
    for step in steps[SURGE:]:
        which = rng.permutation(rows)[: round(share * rows)]
        step[which] = rng.choice(spam, len(which))
    return steps


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift_days")
    parser.add_argument("--days", type=int, default=100, help="days of each stream; default: %(default)s")
    parser.add_argument("--streams", nargs="*", default=list(STREAMS), choices=list(STREAMS))
    parser.add_argument("--seed", type=int, default=11, help="of the days; default: %(default)s")
    parser.add_argument("--surges", type=int, default=20, help="surges of each size; default: %(default)s")
    arguments = parser.parse_args()
    if not is_here(SHARED):
        return
    embedder = open_embedder(Embed(kind="onnx", cache_rows=100_000))
    lines: list[Any] = []
    figures: list[Figure] = []
    for name in arguments.streams:
        rows, of, rng = STREAMS[name], corpus(name, embedder), np.random.default_rng(arguments.seed)
        found = run(Stream(of, stationary(of, name, arguments.days * DAY, rows, rng), arguments.seed))
        opened = sum(row["state"] == "open" for row in found.alerts)
        alarms = [alarm_days(found, alpha) for alpha in ALPHAS]
        days = [of_days(each, arguments.days) for each in alarms]
        for alpha, share in zip(ALPHAS, (each / arguments.days for each in alarms), strict=True):
            what = f"days without drift that have an alarm at {alpha}, {name}"
            figures.append(Figure(what, share, share, share, goal=alpha, at_most=True))
        lines.append((name, 2 * rows, arguments.days, len(found.lowest), opened, *days))
        print(*lines[-1], sep=" | ", flush=True)
    heads = ("stream", "rows", "days", "windows with tests", "drift incidents")
    table("Without drift", (*heads, *(f"days with an alarm at {alpha}" for alpha in ALPHAS)), lines)
    if arguments.surges:
        figures += surges(corpus("sms", embedder), arguments.surges)
    report(figures)


def surges(of: Corpus, count: int) -> Iterator[Figure]:
    """Tell how soon surges are found. Gives the shares that are."""
    lines = []
    for share in (0.1, 0.25):
        delays = [surge_delay(of, share, seed) for seed in range(count)]
        known = [delay for delay in delays if delay is not None]
        lines.append((f"{share:.0%}", len(delays), len(known), *(np.bincount(known, minlength=4)[1:4])))
        print(*lines[-1], sep=" | ", flush=True)
        told = len(known) / count
        yield Figure(f"surges of {share:.0%} spam that are told", told, told, told)
    table("Surges of spam", ("share", "surges", "found", "in window 1", "2", "3"), lines)


def surge_delay(of: Corpus, share: float, seed: int) -> int | None:
    """The first window with spam is number 1, and half of its events come before the surge."""
    rng = np.random.default_rng([seed, 2])
    found = run(Stream(of, surged(of, 100, share, rng), seed))
    first = SURGE * STEP
    ends = [row["window_end"] for row in found.alerts if row["state"] == "open" and row["window_end"] > first]
    return (min(ends) - first) // STEP if ends else None


if __name__ == "__main__":
    main()
