"""Sampled events, kept for a restart."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.items.ipc import pack, unpack
from dataflow.score.evidence.again import EmbedAgain, embedded_again
from dataflow.score.evidence.messages import Append, Renew, Trim


class Shelf:
    """Events of the samples of a key group. ``state`` is what :meth:`snapshot` returned."""

    def __init__(self, embed: EmbedAgain, state: Mapping[str, Any] | None = None) -> None:
        self._embed = embed
        self.rows: list[pa.RecordBatch] = unpack(state["rows"]) if state else []

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {"rows": pack(self.rows)}

    def apply(self, order: Append | Trim | Renew) -> None:
        """Carry out an order. Raises what the embedder raises."""
        match order:
            case Append():
                self.rows.append(order.rows)
            case Trim():
                rows = [_trimmed(rows, order.highest) for rows in self.rows]
                self.rows = [pa.concat_batches(rows)]
            case Renew():
                self.rows = [embedded_again(pa.concat_batches(self.rows), order.model, self._embed)]


def _trimmed(rows: pa.RecordBatch, highest: Mapping[str, float]) -> pa.RecordBatch:
    keys = rows.column("key").dictionary_encode()
    limits = np.array([highest.get(key, -np.inf) for key in keys.dictionary.to_pylist()])
    stays = rows.column("priority").to_numpy() <= limits[keys.indices.to_numpy()]
    return rows.filter(pa.array(stays))
