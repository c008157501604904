"""Outputs for the live page, and a client that asks it."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from starlette.testclient import TestClient

from dashboard.app import application
from dashboard.live import Page
from dashboard.marks import MarksStore
from dashboard.projection import fitted
from dashboard.readers.find import named_uri
from dashboard.security import Access
from dashboard.sources import Sources
from dashboard.store.store import Store
from dataflow.clock import rfc3339
from dataflow.items.alerts import ALERT_FORMAT
from dataflow.settings import Settings
from tests.support.processes import wait_until

MINUTE = 60_000_000
START = 1_767_225_600_000_000
WINDOW = 10 * MINUTE
Row = dict[str, Any]


def scored(event: int, window: int = 0, *, revision: int = 0, key: str = "a", **more: Any) -> Row:
    """A scored row as JSON has it, of the event with this number. ``window``: its number."""
    start = START + window * WINDOW
    row = {
        "key": key,
        "window_start": rfc3339(start),
        "window_end": rfc3339(start + WINDOW),
        "revision": revision,
        "id": f"e{event}",
        "ts": rfc3339(START + event * 1000),
        "text": f"text of event {event}",
        "score": (event * 37 % 101) / 100,
        "cluster": event % 3,
        "model": "null",
        "model_version": "1",
        "attributes": {"host": f"h{event % 2}"},
        "novelty": 0.5,
        "surge": 1.0,
        "rarity": 2.0,
        "p_value": 10 ** -(event * 53 % 97 / 20),
        "anomaly": event * 53 % 97 / 20,
        "explanation": None,
        "partition": "log:0",
        "offset": event,
    }
    return row | more


def alert(
    incident: str, sequence: int = 0, *, window: int = 0, examples: Sequence[int] = (1, 2), **more: Any
) -> Row:
    """A row of ``ALERT`` as JSON has it. ``examples``: the numbers of events."""
    start = START + window * WINDOW
    row = {
        "format": ALERT_FORMAT,
        "kind": "events",
        "incident": incident,
        "sequence": sequence,
        "state": "open" if sequence == 0 else "updated",
        "key": "a",
        "decided": rfc3339(start + WINDOW + sequence * MINUTE),
        "window_start": rfc3339(start),
        "window_end": rfc3339(start + WINDOW),
        "first_ts": rfc3339(start + 1000),
        "last_ts": rfc3339(start + 2000),
        "count": 2 + sequence,
        "peak": 4.0,
        "p_value": 1e-4,
        "threshold": 3.0,
        "cluster": 1,
        "merged_into": None,
        "examples": [
            {
                "id": f"e{event}",
                "ts": rfc3339(start + event * 1000),
                "text": f"text of event {event}",
                "anomaly": 4.0,
                "nearest": "usual text",
                "nearest_ts": rfc3339(start),
                "explanation": "why",
            }
            for event in examples
        ],
        "message": f"{incident} in words",
        "event_ids": [] if sequence else [f"e{event}" for event in examples],
        "left_ids": [],
        "unnamed": 0,
        "budget_per_day": 20.0,
        "budget_of": "stream",
        "realised_per_day": 1,
    }
    return row | more


def written(path: Path, rows: Iterable[Mapping[str, Any]], mode: str = "a") -> Path:
    """Append rows to a file of JSON lines."""
    with path.open(mode, encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


class Opened(TestClient):
    """A client of a page that runs. ``page``: the page."""

    page: Page

    def json(self, path: str, status: int = 200, **query: Any) -> Any:
        """The answer to a request; fails if it has another status."""
        params = {name.rstrip("_"): value for name, value in query.items()}
        answer = self.get(f"/api/{path}", params=params)
        assert answer.status_code == status, answer.text
        return answer.json()

    def loaded(self, rows: int | None = None) -> "Opened":
        """Wait until all is read that is there; and until there are so many scored rows."""
        wait_until(lambda: self.json("state")["loaded"] and rows in (None, self.json("state")["rows"]))
        return self


@contextmanager
def opened(
    *uris: Path | str, marks: Path | str | None = None, most: int = 100_000, access: Access | None = None
) -> Iterator[Opened]:
    """A page over these outputs, and a client of it on this machine."""
    store = Store(most, fitted)
    sources = Sources(store, [named_uri(str(uri)) for uri in uris], most)
    page = Page(store, sources, MarksStore(str(marks), Settings()) if marks else None)
    app = application(page, access or Access())
    with Opened(app, base_url="http://127.0.0.1:8765", raise_server_exceptions=True) as client:
        client.page = page
        yield client


def clustered(n: int, dim: int = 16, seed: int = 0) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """``(n, dim)``: unit vectors around five centres."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((5, dim))
    found = centres[rng.integers(0, 5, n)] + 0.1 * rng.standard_normal((n, dim))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)
