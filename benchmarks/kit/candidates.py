"""What inference is measured by: the bare graph, sentence-transformers, a server, the whole flow."""

import itertools
import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from bytewax.testing import run_main

from dataflow import settings as config
from dataflow.clock import utc_now
from dataflow.decode.batch import check_format
from dataflow.embed import open_embedder
from dataflow.embed.onnx import MAX_ROWS, MAX_TOKENS, Session
from dataflow.embed.tokens import Batch, Tokens
from dataflow.embed.triton.connect import connect
from dataflow.flow import build as build_flow
from dataflow.sink import open_sink
from dataflow.source import open_source
from export.convert import weights
from export.convert.build import Target, build
from export.convert.precision import Precision
from export.repository.install import Layout
from export.serve.sidecar import Sidecar

ROOT = Path(__file__).parents[2]
CACHE, OUT = ROOT / ".cache" / "driftline", ROOT / "out" / "benchmark"


def exported(model: str, precision: Precision) -> Layout:
    """``model`` in ``precision`` in a repository of its own."""
    root = OUT / f"{model}-{precision}"
    build(weights.source(model), root, cache=CACHE, force=False, log=lambda _: None, target=Target(precision))
    return Layout(root)


def served(layout: Layout) -> Sidecar:
    return Sidecar(layout.root, venv=ROOT / ".venv-triton", log=layout.root.with_suffix(".log"))


def bare(layout: Layout, texts: list[str]) -> Callable[[], object]:
    """The graph alone: tokens, lengths and batches are ready before."""
    session = Session(layout.graph, layout.tokenizer)
    batches = cut(layout, texts)

    def run() -> None:
        for batch in batches:
            feed = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
            session._session.run(["embedding"], feed)

    return run


def cut(layout: Layout, texts: list[str]) -> list[Batch]:
    return list(Tokens(layout.tokenizer).batches(texts, max_tokens=MAX_TOKENS, max_rows=MAX_ROWS))


def padding(layout: Layout, texts: list[str]) -> tuple[int, int]:
    """Tokens of ``texts``, and tokens computed, padding included."""
    batches = cut(layout, texts)
    return sum(int(b.attention_mask.sum()) for b in batches), sum(b.input_ids.size for b in batches)


def torch(model: str, texts: list[str]) -> Callable[[], object]:
    from export.convert import graph  # noqa: PLC0415  seconds to import

    reference = graph.load(weights.locate(weights.source(model), CACHE, print))
    return lambda: reference.encode(texts, show_progress_bar=False)


def through(server: Sidecar, texts: list[str]) -> Callable[[], object]:
    embedder = connect(config.Embed(url=server.url, repository=server.repository))
    return lambda: embedder.embed(texts)


class Flow:
    """File, decode, embed, window, score with k-means, file; in this process, without the cache."""

    def __init__(self, server: Sidecar, texts: list[str]) -> None:
        self._server, self._folder = server, tempfile.TemporaryDirectory()
        self._texts, self._number = texts, itertools.count()

    def __enter__(self) -> "Flow":
        start = np.datetime64("2026-01-01T00:00:00")
        lines = [
            json.dumps({"id": f"e{i}", "ts": f"{start + i}Z", "text": text}) + "\n"
            for i, text in enumerate(self._texts)
        ]
        self._source = Path(self._folder.name, "in.jsonl")
        self._source.write_text("".join(lines), encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def run(self) -> None:
        sink = f"file:{self._folder.name}/out-{next(self._number)}.jsonl"
        settings = config.Settings(
            source=config.Source(uri=f"file:{self._source}", id_field="id"),
            embed=config.Embed(url=self._server.url, repository=self._server.repository, cache_rows=0),
            sink=config.Sink(scores=(sink,)),
        )
        run_main(
            build_flow(
                settings,
                source=open_source(settings, clock=utc_now, check=partial(check_format, settings)),
                embedder=open_embedder(settings.embed),
                sink=lambda stream, uri: open_sink(uri, settings, stream=stream),
            )
        )
