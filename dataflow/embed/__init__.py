"""Texts to embeddings."""

from importlib import import_module

from dataflow import settings
from dataflow.embed.base import Embedder
from dataflow.embed.cache import CachedEmbedder
from dataflow.telemetry.tracer import NO_TRACER, Tracer

#: embed.kind -> the module whose ``connect(options, tracer=...)`` opens an embedder; imported when it is
#: used.
EMBEDDERS = {
    "triton": "dataflow.embed.triton.connect",
    "onnx": "dataflow.embed.onnx",
    "null": "dataflow.embed.null",
}


def open_embedder(options: settings.Embed, tracer: Tracer = NO_TRACER) -> Embedder:
    """The embedder that ``options`` ask for, with its cache. ``tracer`` makes a span for each request.

    Raises ``SettingsError``, ``ContractError`` or ``OutageError`` if the embedder cannot be opened.
    """
    embedder: Embedder = import_module(EMBEDDERS[options.kind]).connect(options, tracer=tracer)
    # The null embedder computes an embedding faster than the cache finds it.
    if options.kind == "null" or not options.cache_rows:
        return embedder
    return CachedEmbedder(embedder, options.cache_rows)
