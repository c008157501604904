"""Windows as they move from stage to stage: whole windows and scored windows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from dataflow.items.rows import Rows, in_order


class WindowRef(NamedTuple):
    """One emission of the window ``[start, end)``.

    ``start``, ``end``: microseconds since the Unix epoch, UTC. ``revision``: 0 for the first emission of the
    window, then 1, 2, and so on.
    """

    start: int
    end: int
    revision: int


class KeyWindow(NamedTuple):
    """One emission of one window of one key.

    ``seen``: how many events came in time; there are fewer rows if the rows are a sample. ``None``: all
    events are rows. ``late``: whether the window was due before, and late events are the reason why it is
    emitted now.
    """

    ref: WindowRef
    seen: int | None = None
    late: bool = False


@dataclass(frozen=True)
class WholeWindows:
    """Windows that are emitted together, at most one for each key, with all their rows.

    ``windows``: the window of each key, or the one window of all keys. ``parts``: the rows, which stay in the
    batches of the chunks. So the rows of windows that close together are never all in memory as copies: a row
    that is in sixty windows is copied when one of them is gathered. ``arrival_us``: when the records that
    closed the windows were read, in microseconds since the Unix epoch; ``None``: unknown. ``emission``: the
    number of this emission of the key group: 0, 1, 2, and so on. ``arrived``: how many
    :class:`~dataflow.items.early.Arrived` the key group sent before.

    >>> from dataflow.items.schemas import TIMESTAMP
    >>> columns = {"key": ["k", "k", "j"], "ts": pa.array([20, 10, 30], TIMESTAMP), "id": ["b", "a", "c"]}
    >>> window = KeyWindow(WindowRef(start=0, end=60, revision=0))
    >>> windows = WholeWindows(window, [Rows(pa.record_batch(columns))])
    >>> len(windows), windows.gather().column("id").to_pylist(), windows.window("k").ref.end
    (3, ['c', 'a', 'b'], 60)
    """

    windows: KeyWindow | Mapping[str, KeyWindow]
    parts: list[Rows]
    arrival_us: int | None = None
    emission: int = 0
    arrived: int = 0

    def __len__(self) -> int:
        """The number of rows."""
        return sum(map(len, self.parts))

    def window(self, key: str) -> KeyWindow:
        """The window of ``key``, which must have rows here."""
        return self.windows if isinstance(self.windows, KeyWindow) else self.windows[key]

    def gather(self) -> pa.RecordBatch:
        """All rows as one batch of ``embedded_schema`` (float32), sorted by (``key``, ``ts``, ``id``).

        Each call copies them.
        """
        return in_order(self.parts)


@dataclass(frozen=True)
class ScoredWindows:
    """The scores of windows that were emitted together.

    ``rows``: schema ``SCORED`` and the additional fields that the settings ask for. Text columns have the
    type ``large_string`` if ``string`` has no room for all texts. ``summary``: a row of ``WINDOW_SUMMARY``
    for each window, and with ``score.start = warm`` the column ``CLUSTERS``.
    """

    rows: pa.RecordBatch
    summary: pa.RecordBatch
