"""The dataflow. Its embedder notes when it embeds the first event, as those of the other programs do."""

import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.engines.programs.work import BEGAN, note_began
from dataflow.embed import EMBEDDERS
from dataflow.embed.base import Embedded
from dataflow.embed.null import NullEmbedder
from dataflow.flow import flow
from dataflow.settings import Embed
from dataflow.telemetry.tracer import NO_TRACER, Tracer

__all__ = ["flow"]


class NotingEmbedder(NullEmbedder):
    """The embedder of ``embed.kind = null``."""

    _began = False

    def embed(self, texts: Sequence[str]) -> Embedded:
        if not self._began:
            self._began = True
            note_began(Path(os.environ[BEGAN]))
        return super().embed(texts)


def connect(options: Embed, tracer: Tracer = NO_TRACER) -> NotingEmbedder:
    """Open the embedder."""
    del tracer
    return NotingEmbedder(options.dim or 384)


EMBEDDERS["null"] = __name__
