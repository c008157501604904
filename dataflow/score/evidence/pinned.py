"""Pinned events: known-good texts of the user, which are the members of references."""

from collections.abc import Callable
from threading import Lock

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.clock import NEVER
from dataflow.items.embedding import embeddings
from dataflow.items.fixed import of_unit
from dataflow.items.hashes import hashes
from dataflow.items.pinned import PINNED
from dataflow.items.rows import model_of
from dataflow.score.evidence.features import Features
from dataflow.score.evidence.near import FAR, Near

#: The rows as this many versions of the model embed them are kept. While a version changes, some key groups
#: still have windows of the version before.
_VERSIONS = 2


class Pinned:
    """The pinned events of each key, as a version of the model embeds them. Threads may share it.

    ``rows``: of ``PINNED``, or of ``pinned_schema`` if some version embedded them already. ``embed``: takes
    rows of ``PINNED``; returns those that the model does not refuse, as rows of ``pinned_schema``.
    ``model``: returns the model and the version that embeds now, as one text. ``dim``: the dimension of the
    embeddings. ``width``: how many near events of its window an event has (``Near``).
    """

    def __init__(
        self,
        rows: pa.RecordBatch,
        embed: Callable[[pa.RecordBatch], pa.RecordBatch],
        model: Callable[[], str],
        dim: int,
        width: int,
    ) -> None:
        self._rows, self._embed, self._model = rows.select(PINNED.names), embed, model
        self._keys = set(pc.unique(rows.column("key")).to_pylist())
        self._nothing = Features.none(dim, width)
        self._lock = Lock()
        #: Model and version -> key -> the events.
        self._embedded: dict[str, dict[str | None, Features]] = {}
        if "embedding" in rows.schema.names:
            self._add(rows)

    def of(self, key: str, model: str) -> Features | None:
        """The pinned events of ``key``, embedded by ``model`` (see ``Candidates``); ``None``: it has none.

        No events, if ``model`` is not the version that embeds now: another version cannot be asked. A second
        call with the same arguments returns the same object. Raises what ``embed`` raises.
        """
        of_key = None if None in self._keys else key
        if of_key not in self._keys:
            return None
        with self._lock:
            if model not in self._embedded and self._model() not in self._embedded:
                self._add(self._embed(self._rows))
            return self._embedded.get(model, {}).get(of_key, self._nothing)

    def _add(self, rows: pa.RecordBatch) -> None:
        model = model_of(rows) if len(rows) else self._model()
        events, keys = self._features(rows), rows.column("key").dictionary_encode("encode")
        codes = keys.indices.to_numpy()
        of_keys = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
        self._embedded[model] = {
            key: events.take(which) for key, which in zip(keys.dictionary.to_pylist(), of_keys, strict=False)
        }
        for old in list(self._embedded)[:-_VERSIONS]:
            del self._embedded[old]

    def _features(self, rows: pa.RecordBatch) -> Features:
        n, width = len(rows), self._nothing.near.squares.shape[1]
        none, one = np.zeros(n, np.int64), np.ones(n, np.int64)
        return Features(
            vectors=of_unit(embeddings(rows)),
            near=Near(np.full((n, width), FAR, np.int32), none),
            forms=hashes(pc.coalesce(rows.column("masked"), rows.column("text"))),
            alike=one,
            sizes=one,
            starts=none,
            ends=none,
            ts=pc.fill_null(rows.column("ts").cast(pa.int64()), NEVER).to_numpy(),
            priority=np.arange(n, dtype=np.float64),
            scores=np.zeros(n),
            texts=rows.column("text").to_numpy(zero_copy_only=False),
        )
