"""Texts that come again are not embedded again: a bounded memory in front of any embedder."""

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from threading import Lock

import numpy as np

from dataflow.embed.base import Embedded, Embedder
from dataflow.items.arrays import Vectors
from dataflow.telemetry import metrics


class Cache:
    """The vectors of the ``rows`` texts used last, of any model and version; ``dim`` components each.

    Holds ``rows * dim * 4`` bytes of vectors, taken from the system as they fill, and about 250 bytes a
    row of bookkeeping: a text is known by its 128-bit digest, so that its length costs nothing.
    """

    def __init__(self, rows: int, dim: int) -> None:
        self._rows = rows
        self._slots: OrderedDict[bytes, int] = OrderedDict()
        self._vectors: Vectors = np.empty((rows, dim), np.float32)

    def __len__(self) -> int:
        return len(self._slots)

    def get(self, keys: Sequence[bytes], into: Vectors) -> list[int]:
        """Copy what is known of ``keys`` to its rows of ``into``; the places of what is not."""
        found, slots, missing = [], [], []
        for place, key in enumerate(keys):
            slot = self._slots.get(key)
            if slot is None:
                missing.append(place)
            else:
                self._slots.move_to_end(key)
                found.append(place)
                slots.append(slot)
        into[found] = self._vectors[slots]
        return missing

    def put(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Remember one vector a key, all different; what was not used for longest goes."""
        keys, vectors = keys[-self._rows :], vectors[-self._rows :]
        slots = []
        for key in keys:
            slot = self._slots.pop(key, None)
            if slot is None:
                full = len(self._slots) == self._rows
                slot = self._slots.popitem(last=False)[1] if full else len(self._slots)
            self._slots[key] = slot
            slots.append(slot)
        self._vectors[slots] = vectors


class CachedEmbedder:
    """An ``Embedder`` that asks ``inner`` only for texts that it has not seen for a while.

    ``hits`` and ``misses`` count texts, after equal ones of a micro-batch have become one.
    """

    def __init__(self, inner: Embedder, rows: int) -> None:
        self._inner = inner
        self._cache = Cache(rows, inner.dim)
        self._lock = Lock()
        self.dim = inner.dim
        self.model = inner.model
        self.hits = 0
        self.misses = 0

    @property
    def version(self) -> str:
        return self._inner.version

    def embed(self, texts: Sequence[str]) -> Embedded:
        vectors = np.empty((len(texts), self.dim), np.float32)
        while True:
            version = self._inner.version
            keys = _keys(self.model, version, texts)
            with self._lock:
                missing = self._cache.get(keys, vectors)
            if not missing:
                answer = Embedded(vectors[:0], version)
                break
            answer = self._inner.embed([texts[place] for place in missing])
            # What was remembered is of the older version: then it does not go with the answer.
            if answer.version == version:
                break
        vectors[missing] = answer.vectors
        good = [row for row in range(len(missing)) if row not in answer.failed]
        with self._lock:
            self._cache.put([keys[missing[row]] for row in good], answer.vectors[good])
            self.hits += len(texts) - len(missing)
            self.misses += len(missing)
        metrics.CACHE_HITS.inc(len(texts) - len(missing))
        metrics.CACHE_MISSES.inc(len(missing))
        return Embedded(vectors, version, {missing[row]: why for row, why in answer.failed.items()})

    def close(self) -> None:
        self._inner.close()


def _keys(model: str, version: str, texts: Sequence[str]) -> list[bytes]:
    of = f"{model}\0{version}\0".encode()
    return [of + blake2b(text.encode(), digest_size=16).digest() for text in texts]
