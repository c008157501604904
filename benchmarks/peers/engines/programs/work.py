"""What the programs of all engines share: the embedder without a model, and the work for each window.

A program is called with one argument, the task as JSON: the fields of
:class:`benchmarks.peers.engines.tasks.Task`.
"""

import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import orjson

#: Empty in a process that is not such a program.
TASK: dict[str, Any] = json.loads(sys.argv[1]) if sys.argv[1:] and sys.argv[1].startswith("{") else {}
#: The variable of the environment that names the file for the time at which the dataflow begins to embed.
BEGAN = "BENCHMARK_BEGAN"
DIM = 384
_SLICES = 1 << 16


class NullEmbedder:
    """The same vectors as :class:`dataflow.embed.null.NullEmbedder`, without what the environments lack."""

    def __init__(self) -> None:
        x = np.arange(1, 2 * (_SLICES + DIM) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        noise = x ^ (x >> np.uint64(31))
        self._odd, self._even = np.split((noise % 15).astype(np.float32) * 2 - 14, 2)
        self._odd += 1
        self._began = False

    def embed(self, text: str) -> Any:
        """``(384,)`` float32, a unit vector."""
        if not self._began:
            self._began = True
            note_began(Path(TASK["began"]))
        if TASK["pause_s"]:
            time.sleep(TASK["pause_s"])
        digest = blake2b(text.encode(), digest_size=8).digest()
        first, second = (int.from_bytes(part, "little") % _SLICES for part in (digest[:4], digest[4:]))
        vector = self._odd[first : first + DIM] + self._even[second : second + DIM]
        return vector / np.sqrt(vector @ vector)


def note_began(file: Path) -> None:
    """Write the time to ``file``, unless an earlier start did."""
    with suppress(FileExistsError), file.open("x", encoding="utf-8") as out:
        out.write(str(time.time()))


def scored(key: str, start_ms: int, ids: Sequence[str], vectors: Sequence[Any]) -> str:
    """The rows of a window, one line of JSON for each event: its distance to the mean of the window.

    ``vectors``: ``(n, 384)``, as rows of numbers or as their bytes. ``at``: when the window was computed.
    """
    if isinstance(vectors[0], bytes):
        matrix = np.frombuffer(b"".join(vectors), np.float32).reshape(-1, DIM)
    else:
        matrix = np.stack(vectors)
    offsets = matrix - matrix.mean(axis=0)
    distances = np.sqrt(np.einsum("ij,ij->i", offsets, offsets)).tolist()
    window = {"key": key, "start": start_ms // 1000, "rows": len(ids), "at": time.time()}
    rows = (window | {"id": id, "score": score} for id, score in zip(ids, distances, strict=True))
    return b"\n".join(map(orjson.dumps, rows)).decode()


def note_late(id: str) -> str:
    """Note an event that the engine says came too late. Returns ``id``."""
    with Path(TASK["late"]).open("a", encoding="utf-8") as file:
        file.write(id + "\n")
    return id
