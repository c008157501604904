"""Marks of texts whose embeddings are directions in a plane."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dataflow.embed.base import Embedded
from dataflow.marks.file import MarksFile
from dataflow.marks.likeness import Marks
from dataflow.marks.vectors import TextVectors


class Plane:
    """Embeds the text ``"40"`` as the direction of 40 degrees, and refuses the text ``"refused"``."""

    dim, model = 2, "m"

    def __init__(self, version: str = "1") -> None:
        self.version, self.asked = version, list[str]()

    def embed(self, texts: Sequence[str]) -> Embedded:
        self.asked += texts
        failed = {row: "too long" for row, text in enumerate(texts) if text == "refused"}
        angles = np.radians([0.0 if row in failed else float(text) for row, text in enumerate(texts)])
        vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
        return Embedded(vectors, self.version, failed)

    def close(self) -> None:
        pass


def line(mark: str, text: str | None, ts: object = "1970-01-01T00:00:00Z", **fields: Any) -> str:
    """A line of a file of marks."""
    values = {"mark": mark, "text": text, "ts": ts, **fields}
    return json.dumps({name: value for name, value in values.items() if value is not None}) + "\n"


def marks(
    path: Path, radius: float = 0.5, embedder: Plane | None = None, mask: tuple[str, ...] = ()
) -> Marks:
    """The marks in a file."""
    return Marks(MarksFile(path), TextVectors(embedder or Plane(), mask), radius)
