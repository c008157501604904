"""Versions of a model, inside the test."""

from collections.abc import Sequence

import numpy as np

from dataflow.embed.base import Embedded
from dataflow.embed.null import NullEmbedder
from dataflow.errors import VersionGoneError


class Version(NullEmbedder):
    """A version of a model. Each version rotates the vectors by another number of dimensions. ``gone``: the
    version is no longer served; ``refused``: a text that it refuses.
    """

    def __init__(self, version: str, refused: str = "") -> None:
        super().__init__(4)
        self.version = version
        self.refused = refused
        self.gone = False
        #: The version after the next call; empty: the same.
        self.becomes = ""
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> Embedded:
        if self.gone:
            raise VersionGoneError(f"version {self.version} is gone")
        if self.becomes:
            self.version, self.becomes = self.becomes, ""
        self.asked += texts
        vectors = np.roll(super().embed(texts).vectors, int(self.version), axis=1)
        return Embedded(vectors, self.version, {i: "no" for i, t in enumerate(texts) if t == self.refused})
