"""The embed stage: turns the texts of events into vectors."""

from importlib import import_module

from dataflow.embed.base import Embedder
from dataflow.embed.cache import CachedEmbedder
from dataflow.embed.half import HalfEmbedder
from dataflow.settings import Embed
from dataflow.telemetry.tracer import NO_TRACER, Tracer

#: embed.kind -> the module whose ``connect(options, tracer=...)`` opens an embedder. A module is imported
#: only when its embedder is opened.
EMBEDDERS = {
    "triton": "dataflow.embed.triton.connect",
    "onnx": "dataflow.embed.onnx",
    "null": "dataflow.embed.null",
}


def open_embedder(options: Embed, tracer: Tracer = NO_TRACER) -> Embedder:
    """Open the embedder that ``options`` name, with its cache. ``tracer`` makes a span for each request.

    Raises ``SettingsError``, ``ContractError`` or ``OutageError`` if the embedder cannot be opened.

    >>> embedder = open_embedder(Embed(kind="null", dim=8))
    >>> embedder.embed(["a text", "another text"]).vectors.shape
    (2, 8)
    """
    embedder: Embedder = import_module(EMBEDDERS[options.kind]).connect(options, tracer=tracer)
    if options.store == "fp16":
        embedder = HalfEmbedder(embedder)
    # The null embedder computes an embedding faster than the cache finds it.
    if options.kind == "null" or not options.cache_rows:
        return embedder
    return CachedEmbedder(embedder, options.cache_rows, options.store)
