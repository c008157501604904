"""What is known of a key: how its events depend on each other, its clusters, and its last windows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from dataflow.drift.blocks import Blocks
from dataflow.drift.clustering import Known
from dataflow.drift.dependence import Learnt, learn
from dataflow.items.fixed import Fixed


class Kept(NamedTuple):
    """The blocks of the window ``[start, end)``, for later windows.

    ``fitted``: the clusters that ``members`` are of (``fitted`` of :class:`KeyState`). ``means``:
    ``(k, dim)``, of the vectors of each block, in units of a vector: a quarter of the memory of the sums.
    ``counts``, ``members``: as in :class:`Blocks`, int32. Times are microseconds since the Unix epoch.
    """

    start: int
    end: int
    fitted: int
    length: int
    means: Fixed
    counts: Any
    clusters: Any
    members: Any

    @staticmethod
    def of(start: int, end: int, fitted: int, blocks: Blocks) -> "Kept":
        """The blocks of a window."""
        means = np.rint(blocks.sums / np.maximum(blocks.counts, 1)[:, None]).astype(np.int16)
        small = (each.astype(np.int32) for each in (blocks.counts, blocks.clusters, blocks.members))
        return Kept(start, end, fitted, blocks.length, means, *small)

    @property
    def blocks(self) -> Blocks:
        """The blocks. Sums are off by up to half a unit for each row."""
        counts, clusters, members = (
            each.astype(np.int64) for each in (self.counts, self.clusters, self.members)
        )
        return Blocks(self.length, self.means * counts[:, None], counts, clusters, members)

    def state(self) -> tuple[Any, ...]:
        """Plain data."""
        numbers = (each.tobytes() for each in (self.means, self.counts, self.clusters, self.members))
        return (*self[:4], len(self.counts), *numbers)

    @staticmethod
    def of_state(state: tuple[Any, ...]) -> "Kept":
        """What :meth:`state` wrote down."""
        start, end, fitted, length, count, means, *numbers = state
        counts, clusters, members = (np.frombuffer(each, np.int32) for each in numbers)
        shape = (count, len(clusters))
        means = np.frombuffer(means, np.int16).reshape(count, -1)
        return Kept(start, end, fitted, length, means, counts, clusters, members.reshape(shape))


@dataclass
class KeyState:
    """``model``: what embedded the windows. ``end``: the end of the last window. ``tested``: of the last
    window that was tested. ``learnt_to``: of the last window that taught how long blocks are. ``latest``:
    what that window taught. ``learnt``: what the windows before it taught, which windows that share events
    with it are tested with. ``events``: about how many events the windows had. ``fitted``: how often clusters
    were fitted; 0: there are none. ``since``: how many windows came since then. ``centroids``: ``(c, dim)``.
    ``windows``: those that later windows may be compared with, the first to end first. ``known`` can be found
    again, so it is in no snapshot.
    """

    model: str | None
    end: int
    tested: int
    learnt_to: int
    events: float = 0.0
    learnt: Learnt = field(default_factory=dict)
    latest: Learnt = field(default_factory=dict)
    fitted: int = 0
    since: int = 0
    centroids: Fixed | None = None
    windows: list[Kept] = field(default_factory=list)
    known: Known = field(default_factory=Known)

    def learn(self, one: Learnt, end: int) -> None:
        """Take what a window taught that ends at ``end``, and shares no events with those before."""
        self.learnt = learn(self.learnt, self.latest)
        self.latest, self.learnt_to = one, end

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        centroids = None if self.centroids is None else self.centroids.tobytes()
        windows = [kept.state() for kept in self.windows]
        learnt = {"learnt": dict(self.learnt), "latest": dict(self.latest)}
        found = vars(self) | learnt | {"centroids": centroids, "windows": windows}
        del found["known"]
        return found

    @staticmethod
    def of_state(state: Mapping[str, Any]) -> "KeyState":
        """What :meth:`snapshot` wrote down. In an older state, ``learnt`` knows the last window, too."""
        windows = [Kept.of_state(each) for each in state["windows"]]
        centroids = state["centroids"]
        if centroids is not None:
            centroids = np.frombuffer(centroids, np.int16).reshape(-1, windows[-1].means.shape[1])
        return KeyState(**{**state, "centroids": centroids, "windows": windows})
