"""A bounded cache of embeddings in front of any embedder: a text that comes again is not embedded again."""

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.embed.base import Embedded, Embedder
from dataflow.items.arrays import Vectors
from dataflow.items.embedding import Store
from dataflow.telemetry import metrics


class Cache:
    """The vectors of the ``rows`` keys that were used last, each with ``dim`` dimensions.

    Takes ``rows * dim * 4`` bytes for the vectors, half of that with ``fp16``, which the system provides as
    the cache fills, and about 250 bytes for each key. With ``fp16``, vectors that float16 does not hold are
    rounded.
    """

    def __init__(self, rows: int, dim: int, store: Store = "fp32") -> None:
        self._rows = rows
        self._slots: OrderedDict[bytes, int] = OrderedDict()
        dtype = np.float16 if store == "fp16" else np.float32
        self._vectors: npt.NDArray[Any] = np.empty((rows, dim), dtype)

    def __len__(self) -> int:
        return len(self._slots)

    def get(self, keys: Sequence[bytes], into: Vectors) -> list[int]:
        """Copy the vector of each key to the row of ``into`` with the key's index.

        Returns the indices of the keys that have no vector here.
        """
        found, slots, missing = [], [], []
        for index, key in enumerate(keys):
            slot = self._slots.get(key)
            if slot is None:
                missing.append(index)
            else:
                self._slots.move_to_end(key)
                found.append(index)
                slots.append(slot)
        into[found] = self._vectors[slots]
        return missing

    def put(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Store one vector for each key; ``keys`` are distinct. The keys that were not used for longest
        leave.
        """
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
    """An ``Embedder`` that passes only texts without a cached vector to ``inner``.

    ``hits`` and ``misses`` count the texts of all calls. ``store``: ``fp16`` needs an ``inner`` whose vectors
    float16 holds.
    """

    def __init__(self, inner: Embedder, rows: int, store: Store = "fp32") -> None:
        self._inner = inner
        self._cache = Cache(rows, inner.dim, store)
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
            # Also if no text is missing, because ``inner`` looks for a newer version only when it is called.
            answer = self._inner.embed([texts[index] for index in missing])
            # If the version changed meanwhile, the cached vectors do not fit the answer: look them up again.
            if answer.version == version:
                break
        if len(missing) == len(texts):
            vectors = answer.vectors
        else:
            vectors[missing] = answer.vectors
        new, known = answer.vectors, [keys[index] for index in missing]
        if answer.failed:
            good = [row for row in range(len(missing)) if row not in answer.failed]
            new, known = new[good], [known[row] for row in good]
        with self._lock:
            self._cache.put(known, new)
            self.hits += len(texts) - len(missing)
            self.misses += len(missing)
        metrics.CACHE_HITS.inc(len(texts) - len(missing))
        metrics.CACHE_MISSES.inc(len(missing))
        return Embedded(vectors, version, {missing[row]: why for row, why in answer.failed.items()})

    def close(self) -> None:
        self._inner.close()


def _keys(model: str, version: str, texts: Sequence[str]) -> list[bytes]:
    """A key for each text: a 128-bit digest stands for the text, so that a long text takes no more memory."""
    prefix = f"{model}\0{version}\0".encode()
    return [prefix + blake2b(text.encode(), digest_size=16).digest() for text in texts]
