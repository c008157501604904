"""What the score stage says to the stages that decide: which events of a window stand out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dataflow.items.arrays import Bools, Int64s
from dataflow.items.drift import Drift, WindowSample
from dataflow.items.fixed import Fixed
from dataflow.items.ipc import pack, unpack


@dataclass(frozen=True)
class Judged:
    """The windows of one emission of a key group, and those of their events that stand out.

    ``emission``: its number: 0, 1, 2, and so on. ``keys``: the ``k`` keys that have a window. ``starts``,
    ``ends``: ``(k,)``, their windows, in microseconds since the Unix epoch, UTC. ``late``: ``(k,)``, whether
    the window was due before and is emitted because of late events. ``rows``: ``(k,)``, how many events each
    window has. ``events``: the ``m`` events that stand out, sorted by (``key``, ``ts``, ``id``): columns of
    ``SCORED``, ``EVIDENCE`` and ``EXPLANATION``. ``windows``: ``(m,)``, which of the windows each is in.
    ``vectors``: ``(m, dim)``, their embeddings. ``model``: the model and the version that embedded them;
    ``None`` if there are no rows. ``samples``: windows for the drift stage, which takes them out.
    ``drifts``: what the drift stage found.
    """

    emission: int
    keys: list[str]
    starts: Int64s
    ends: Int64s
    late: Bools
    rows: Int64s
    events: pa.RecordBatch
    windows: Int64s
    vectors: Fixed
    model: str | None
    samples: Sequence[WindowSample] = ()
    drifts: Sequence[Drift] = ()

    def state(self) -> dict[str, Any]:
        """All fields but ``samples`` as plain data, for a snapshot. :meth:`of_state` reads them."""
        numbers = {name: getattr(self, name).tobytes() for name in _NUMBERS}
        plain = {"emission": self.emission, "keys": self.keys, "model": self.model}
        vectors = {"vectors": self.vectors.tobytes(), "dim": self.vectors.shape[1]}
        drifts = {"drifts": [tuple(drift) for drift in self.drifts]}
        return plain | numbers | vectors | drifts | {"events": pack([self.events])}

    @staticmethod
    def of_state(state: Mapping[str, Any]) -> "Judged":
        """What :meth:`state` wrote down."""
        fields: dict[str, Any] = {name: state[name] for name in ("emission", "keys", "model")}
        fields |= {name: np.frombuffer(state[name], kind) for name, kind in _NUMBERS.items()}
        (events,) = unpack(state["events"])
        vectors = np.frombuffer(state["vectors"], np.int16).reshape(-1, state["dim"])
        drifts = [Drift(*drift) for drift in state["drifts"]]
        return Judged(**fields, events=events, vectors=vectors, drifts=drifts)


_NUMBERS: dict[str, Any] = {
    "starts": np.int64,
    "ends": np.int64,
    "late": np.bool_,
    "rows": np.int64,
    "windows": np.int64,
}


class Passed(NamedTuple):
    """A key group has come to a watermark.

    All windows that end at ``watermark`` or earlier are in its emissions before number ``emissions``, unless
    events come late. ``arrived``: how many :class:`~dataflow.items.early.Arrived` the group sent before.
    """

    emissions: int
    watermark: int
    arrived: int = 0
