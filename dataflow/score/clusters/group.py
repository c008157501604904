"""The clusters of the keys of a key group."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from dataflow.clock import micros
from dataflow.items.rows import Segments
from dataflow.items.windows import WholeWindows, WindowRef
from dataflow.score.clusters.state import KeyClusters
from dataflow.score.clusters.track import ClusterTracker, Tracked
from dataflow.settings import Settings


class _Last(NamedTuple):
    """The end of the last window of a key, in microseconds since the Unix epoch, UTC, and its clusters."""

    end: int
    clusters: KeyClusters


class GroupClusters:
    """Follows the clusters of each key of a key group. ``state`` is what :meth:`snapshot` returned.

    A window starts from the clusters of the key's last window, unless that window ended more than
    ``score.half_life`` earlier: then the key starts again, and its numbers start at 0. A revision, or another
    window that does not end after the last one, starts from these clusters, too, but does not replace them.
    So the clusters of a key depend on its own windows alone.
    """

    def __init__(
        self,
        tracker: ClusterTracker,
        settings: Settings,
        state: Iterable[tuple[str, int, Mapping[str, Any]]] = (),
    ) -> None:
        window = settings.window
        self._tracker, self._memory_us = tracker, micros(settings.score.half_life)
        self._lateness_us = micros(window.allowed_lateness) if window.watermark == "stream" else None
        self._last = {key: _Last(end, KeyClusters.from_snapshot(clusters)) for key, end, clusters in state}

    def __len__(self) -> int:
        """The number of keys that are remembered."""
        return len(self._last)

    def snapshot(self) -> list[tuple[str, int, dict[str, Any]]]:
        """The state as plain data."""
        return [(key, last.end, last.clusters.snapshot()) for key, last in self._last.items()]

    def track(self, windows: WholeWindows, rows: pa.RecordBatch, found: Segments) -> list[Tracked]:
        """Score the windows of an emission, one of each key, in the order of the emissions.

        ``rows``: embedded events, at least one, sorted by (``key``, ``ts``, ``id``). ``found``: their keys.
        """
        keys, bounds = found.keys.to_pylist(), itertools.pairwise(found.offsets.tolist())
        refs = [windows.window(key).ref for key in keys]
        tracked = [
            self._track(key, ref, rows.slice(start, stop - start))
            for key, ref, (start, stop) in zip(keys, refs, bounds, strict=True)
        ]
        self._forget(min(ref.end for ref in refs))
        return tracked

    def _track(self, key: str, window: WindowRef, rows: pa.RecordBatch) -> Tracked:
        last = self._last.get(key)
        if last is not None and window.end - last.end > self._memory_us:
            last = None
        tracked = self._tracker.track(rows, last and last.clusters)
        if window.revision == 0 and (last is None or window.end > last.end):
            self._last[key] = _Last(window.end, tracked.clusters)
        return tracked

    def _forget(self, end: int) -> None:
        """Forget the keys that start again in any case, now that windows come that end at ``end`` or later.

        Late events can still bring windows that end earlier, by ``window.allowed_lateness`` at most. With a
        watermark of each key, the windows of other keys can end at any time, so no key is forgotten.
        """
        if self._lateness_us is not None:
            oldest = end - self._lateness_us - self._memory_us
            self._last = {key: last for key, last in self._last.items() if last.end >= oldest}
