"""Sampled events, kept for a restart."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.items.ipc import pack, unpack
from dataflow.score.evidence.messages import Append, Trim


class Shelf:
    """Events of the samples of a key group. ``state`` is what :meth:`snapshot` returned."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self.rows: list[pa.RecordBatch] = unpack(state["rows"]) if state else []

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {"rows": pack(self.rows)}

    def apply(self, order: Append | Trim) -> None:
        """Carry out an order."""
        if isinstance(order, Append):
            self.rows.append(order.rows)
        else:
            rows = [_trimmed(rows, order.highest) for rows in self.rows]
            self.rows = [pa.concat_batches(rows)]


def _trimmed(rows: pa.RecordBatch, highest: Mapping[str, float]) -> pa.RecordBatch:
    keys = rows.column("key").dictionary_encode()
    limits = np.array([highest.get(key, -np.inf) for key in keys.dictionary.to_pylist()])
    stays = rows.column("priority").to_numpy() <= limits[keys.indices.to_numpy()]
    return rows.filter(pa.array(stays))
