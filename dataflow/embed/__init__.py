"""Texts to embeddings."""

from importlib import import_module

from dataflow import settings
from dataflow.embed.base import Embedder
from dataflow.embed.cache import CachedEmbedder

#: embed.kind -> the module whose ``connect(settings.Embed)`` gives an embedder; imported when it is used.
EMBEDDERS = {
    "triton": "dataflow.embed.triton.connect",
    "onnx": "dataflow.embed.onnx",
    "null": "dataflow.embed.null",
}


def open_embedder(options: settings.Embed) -> Embedder:
    """The embedder that the settings ask for, with its cache."""
    embedder: Embedder = import_module(EMBEDDERS[options.kind]).connect(options)
    # What null computes costs less than to look it up.
    if options.kind == "null" or not options.cache_rows:
        return embedder
    return CachedEmbedder(embedder, options.cache_rows)
