"""Does something grow over time? Samples of a running process, and the line that fits them."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

_SECONDS_AN_HOUR = 3600.0


class Trend(NamedTuple):
    """``start``, ``end``: medians of the first and the last tenth of the samples. ``per_hour``: the slope of
    the line with the least squares. ``largest``: of all samples.
    """

    start: float
    end: float
    per_hour: float
    largest: float


def trend(seconds: Sequence[float], values: Sequence[float]) -> Trend:
    """The trend of ``values``, which were sampled at ``seconds``. There must be two samples or more."""
    tenth = max(1, len(values) // 10)
    slope = float(np.polyfit(np.asarray(seconds), np.asarray(values), 1)[0])
    start, end = float(np.median(values[:tenth])), float(np.median(values[-tenth:]))
    return Trend(start, end, slope * _SECONDS_AN_HOUR, max(values))


def resident_bytes() -> int:
    """The resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no VmRSS")


def folder_bytes(folder: Path) -> int:
    """The sizes of all files in ``folder``. A file that vanishes meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


class Sampler:
    """Calls ``measures`` every ``every_s`` seconds in a thread, as long as the block runs.

    ``seconds``: when, since the block began. ``values``: name -> a value for each of these.
    """

    def __init__(self, measures: Mapping[str, Callable[[], float]], every_s: float) -> None:
        self._measures, self._every_s = measures, every_s
        self.seconds: list[float] = []
        self.values: dict[str, list[float]] = {name: [] for name in measures}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Sampler":
        self._begin = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            self.seconds.append(time.monotonic() - self._begin)
            for name, measure in self._measures.items():
                self.values[name].append(measure())

    def trends(self, after_s: float) -> dict[str, Trend]:
        """The trend of each measure, without the samples of the first ``after_s`` seconds."""
        first = next((number for number, at in enumerate(self.seconds) if at >= after_s), 0)
        return {name: trend(self.seconds[first:], values[first:]) for name, values in self.values.items()}
