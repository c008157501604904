"""``python -m bytewax.run tests.support.versioned:flow``: the flow with several versions of a model.

``VERSIONS`` is the version, or two versions: then the model changes after ``CHANGE_TEXTS`` texts.
"""

import atexit
import os
import sys
from collections.abc import Sequence
from functools import partial

from bytewax.dataflow import Dataflow

from dataflow.clock import utc_now
from dataflow.decode.batch import check_format
from dataflow.embed.base import Embedded
from dataflow.embed.null import NullEmbedder
from dataflow.flow import build
from dataflow.settings import bytewax_run, load
from dataflow.sink import open_sink
from dataflow.source import open_source
from dataflow.startup import prepare_store
from dataflow.telemetry import logs
from dataflow.telemetry.guard import exit_on_error
from dataflow.telemetry.watch import Watch


class Changing(NullEmbedder):
    """Embeds a text together with its version, so that two versions have nothing in common."""

    def __init__(self, dim: int, versions: str, change_texts: int) -> None:
        super().__init__(dim)
        self.version, *self._next = versions.split()
        self._left = change_texts

    def embed(self, texts: Sequence[str]) -> Embedded:
        self._left -= len(texts)
        if self._next and self._left < 0:
            self.version = self._next.pop()
        return Embedded(super().embed([f"{self.version} {text}" for text in texts]).vectors, self.version)


def flow() -> Dataflow:
    settings = load({k: v for k, v in os.environ.items() if k.startswith("DRIFTLINE_")})
    logs.start(settings.log)
    source = open_source(settings, clock=utc_now, check_format=partial(check_format, settings))
    embedder = Changing(settings.embed.dim or 8, os.environ["VERSIONS"], int(os.environ["CHANGE_TEXTS"]))
    if prepared := prepare_store(bytewax_run(sys.argv[1:]), settings, source, embedder):
        atexit.register(prepared.lock.close)
    return build(
        settings,
        source=source,
        embedder=embedder,
        sink=lambda stream, uri: open_sink(uri, settings, stream=stream),
        watch=Watch(guard=exit_on_error(texts=False)),
    )
