"""The open page: what all requests share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from dashboard.marks import MarksStore
from dashboard.queries.filters import Filters
from dashboard.queries.ranking import Rankings
from dashboard.queries.state import summary
from dashboard.sources import Sources
from dashboard.store.store import Moment, Store
from dataflow.clock import micros, utc_now

#: The built page.
STATIC = Path(__file__).parent / "static"


@dataclass
class Page:
    """``marks``: where marks are written; ``None``: the page only reads."""

    store: Store
    sources: Sources
    marks: MarksStore | None = None
    static: Path = STATIC
    filters: Filters = field(default_factory=Filters)

    def __post_init__(self) -> None:
        self.rankings = Rankings(self.filters)
        self._summary = OfMoment(summary)

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
            "metrics": False,
            "compare": False,
        }

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
