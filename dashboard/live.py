"""The open page: what all requests share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from dashboard.health import Health
from dashboard.history import History
from dashboard.marks import MarksStore
from dashboard.queries.compare import compared
from dashboard.queries.filters import Filter, Filters
from dashboard.queries.ranking import Rankings
from dashboard.queries.state import summary
from dashboard.sources import Sources
from dashboard.store.store import Moment, Store
from dataflow.clock import micros, utc_now

#: The built page.
STATIC = Path(__file__).parent / "static"
_LOOK_S = 0.5


@dataclass
class Other:
    """The output that is compared with. ``uri``: as the user wrote it."""

    uri: str
    store: Store
    sources: Sources

    def __post_init__(self) -> None:
        self.rankings = Rankings(Filters())


@dataclass
class Page:
    """``marks``: where marks are written; ``None``: the page only reads. ``health``: the metrics of the flow.
    ``other``: the output that this one is compared with. ``None``: there is none.
    """

    store: Store
    sources: Sources
    marks: MarksStore | None = None
    health: Health | None = None
    other: Other | None = None
    static: Path = STATIC
    filters: Filters = field(default_factory=Filters)

    def __post_init__(self) -> None:
        self.rankings = Rankings(self.filters)
        self.history = History(self.health.texts) if self.health else None
        self._summary = OfMoment(summary)
        self._ending = Event()
        self._sorter = Thread(target=self._sort, daemon=True, name="orders")

    def of_incidents(self) -> dict[str, dict[str, Any]]:
        """Incident -> its mark."""
        return self.marks.of_incidents() if self.marks else {}

    def state(self) -> dict[str, Any]:
        """What ``/api/state`` answers."""
        return {
            **self._summary(self.store.now),
            "loaded": self.sources.loaded,
            "streams": [source.described() for source in self.sources.all],
            "now": micros(utc_now()),
            "embeddings": bool(self.store.now.map.vectors),
            "marks": {"uri": self.marks and self.marks.uri, "writable": self.marks is not None},
            "metrics": self.health is not None,
            "compare": self.other is not None,
        }

    def start(self) -> None:
        """Follow the outputs."""
        for sources in self._all():
            sources.start()
        self._sorter.start()
        if self.history:
            self.history.start()

    def _sort(self) -> None:
        """Sort the rows in each order when all are loaded. Later orders are merged from these."""
        while not self._ending.wait(_LOOK_S):
            if self.sources.loaded:
                self.rankings.warm(self.store.now)
                return

    def stop(self) -> None:
        """End all threads."""
        self._ending.set()
        for sources in self._all():
            sources.stop()
        if self.history:
            self.history.stop()
        self._sorter.join()

    def _all(self) -> list[Sources]:
        return [self.sources, *([self.other.sources] if self.other else [])]

    def compared(self, wanted: Filter) -> dict[str, Any] | None:
        """What ``/api/compare`` answers; ``None``: there is nothing to compare with."""
        if self.other is None:
            return None
        here, there = (self.store.now, self.rankings), (self.other.store.now, self.other.rankings)
        return {"a": self.sources.text, "b": self.other.uri, **compared(here, there, wanted)}

    def news(self) -> dict[str, Any]:
        """What an event of ``/api/updates`` says."""
        state = self.state()
        shown = ("generation", "loaded", "watermark", "last_ts", "rows", "incidents", "streams", "now")
        return {name: state[name] for name in shown}


class OfMoment:
    """Keeps what a function said of the last moment. Threads may share an object."""

    def __init__(self, function: Callable[[Moment], dict[str, Any]]) -> None:
        self._function = function
        self._lock = Lock()
        self._last: tuple[int, dict[str, Any]] | None = None

    def __call__(self, moment: Moment) -> dict[str, Any]:
        with self._lock:
            if self._last is None or self._last[0] != moment.generation:
                self._last = (moment.generation, self._function(moment))
            return self._last[1]
