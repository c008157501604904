"""What alerts before the end of a window need: events that have just come, and what they are found to be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.items.fixed import Fixed
from dataflow.items.ipc import pack, unpack
from dataflow.items.schemas import EXPLANATION, TIMESTAMP

#: Events that stand out before their windows end. ``anomaly``: as in ``EVIDENCE``, of the window so far.
EARLY = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("ts", TIMESTAMP, nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("anomaly", pa.float64(), nullable=False),
        EXPLANATION,
    ]
)


@dataclass(frozen=True)
class Arrived:
    """Events of a key group that have just come, and that belong to a window that has not ended.

    ``number``: 0, 1, 2, and so on, for each group. ``emissions``: how many emissions of the group come before
    it. ``start``, ``end``: the first window that has not ended. ``passed``: the end of the window before it.
    ``rows``: the embedded events, in order of arrival. All times are microseconds since the Unix epoch, UTC.
    """

    number: int
    emissions: int
    start: int
    end: int
    passed: int
    rows: pa.RecordBatch


@dataclass(frozen=True)
class Early:
    """The events of an ``Arrived`` that stand out beside the events before them.

    ``number``, ``start``, ``end``, ``passed``: those of the ``Arrived``. ``events``: the ``m`` events, of
    schema :data:`EARLY`, those of a key in order of arrival. ``vectors``: ``(m, dim)``, their embeddings.
    ``model``: the model and the version that embedded them; ``None`` if there are none.
    """

    number: int
    start: int
    end: int
    passed: int
    events: pa.RecordBatch
    vectors: Fixed
    model: str | None

    def state(self) -> dict[str, Any]:
        """The fields as plain data, for a snapshot. :meth:`of_state` reads them."""
        vectors = {"vectors": self.vectors.tobytes(), "dim": self.vectors.shape[1]}
        return vars(self) | vectors | {"events": pack([self.events])}

    @staticmethod
    def of_state(state: Mapping[str, Any]) -> "Early":
        """What :meth:`state` wrote down."""
        (events,) = unpack(state["events"])
        vectors = np.frombuffer(state["vectors"], np.int16).reshape(-1, state["dim"])
        rest = {name: state[name] for name in ("number", "start", "end", "passed", "model")}
        return Early(**rest, events=events, vectors=vectors)
