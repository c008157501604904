"""The candidates for inference: the bare graph, sentence-transformers, a Triton server, the whole flow."""

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from bytewax.testing import run_main

from benchmarks.peers import environments
from dataflow import settings
from dataflow.clock import utc_now
from dataflow.decode.batch import check_format
from dataflow.embed import open_embedder
from dataflow.embed.repository import Layout
from dataflow.embed.session import Session
from dataflow.embed.tokens import Batch, Tokens
from dataflow.embed.triton.connect import connect
from dataflow.flow import build as build_flow
from dataflow.sink import open_sink
from dataflow.source import open_source
from export.convert import weights
from export.convert.build import Target, build
from export.convert.precision import Precision
from export.errors import ExportError
from export.serve.sidecar import Sidecar

ROOT = Path(__file__).parents[2]
CACHE, OUT = ROOT / ".cache" / "driftline", ROOT / "out" / "benchmark"


class TokenCount(NamedTuple):
    """``real``: tokens of the texts. ``computed``: tokens that the graph computes, padding included."""

    real: int
    computed: int


def exported(model: str, precision: Precision) -> Layout:
    """A model repository that holds only ``model`` in ``precision``; exports the model if it is not there."""
    root = OUT / f"{model}-{precision}"
    build(weights.named(model), root, cache=CACHE, force=False, log=lambda _: None, target=Target(precision))
    return Layout(root)


def served(layout: Layout, venv: Path = ROOT / ".venv-triton") -> Sidecar:
    """A Triton server that serves the repository ``layout``. ``venv``: its environment."""
    return Sidecar(layout.root, venv=venv, log=layout.root.with_suffix(".log"))


def near_lossless(model: str, precision: Precision) -> Sidecar:
    """A Triton server that serves ``model`` in a precision below fp32.

    bf16 needs OpenVINO, here for the gate of the export and in the server. Both get it from environments of
    their own. Raises ``ExportError`` if ``precision`` cannot be had here.
    """
    if precision != "bf16":
        return served(exported(model, precision))
    root = OUT / f"{model}-{precision}"
    command = ["build", model, "--repository", str(root), "--cache", str(CACHE), "--precision", precision]
    done = subprocess.run(
        [sys.executable, "-m", "export", *command],
        env=os.environ | {"PYTHONPATH": str(environments.openvino())},
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ExportError((done.stderr.strip().splitlines() or ["the export failed"])[-1])
    return served(Layout(root), environments.sidecar())


def bare_graph(layout: Layout, texts: list[str]) -> Callable[[], object]:
    """ONNX Runtime on the graph alone: the texts are tokenised, sorted and cut into batches beforehand."""
    session = Session(layout.graph, layout.tokenizer)
    batches = cut(layout, texts)

    def run() -> None:
        for batch in batches:
            session.compute(batch)

    return run


def cut(layout: Layout, texts: list[str]) -> list[Batch]:
    """``texts`` as padded batches of tokens."""
    return list(Tokens(layout.tokenizer).batches(texts))


def padding(layout: Layout, texts: list[str]) -> TokenCount:
    """How many tokens ``texts`` have, and how many are computed for them."""
    batches = cut(layout, texts)
    return TokenCount(
        sum(int(batch.attention_mask.sum()) for batch in batches),
        sum(batch.input_ids.size for batch in batches),
    )


def sentence_transformer(model: str, texts: list[str]) -> Callable[[], object]:
    """``SentenceTransformer.encode`` on the same weights, with torch."""
    from export.convert import graph  # noqa: PLC0415  the import takes seconds

    reference = graph.load(weights.locate(weights.named(model), CACHE, print))
    return lambda: reference.encode(texts, show_progress_bar=False)


def through_triton(server: Sidecar, texts: list[str]) -> Callable[[], object]:
    """The dataflow's client of the model server."""
    embedder = connect(answered_by(server))
    return lambda: embedder.embed(texts)


def answered_by(server: Sidecar) -> settings.Embed:
    """The settings of an embedder that calls ``server``."""
    return settings.Embed(url=server.url, repository=server.repository)


class WholeFlow:
    """The dataflow from file to file in this process, with the k-means scorer, without a reference and
    without the cache.
    """

    def __init__(self, embed: settings.Embed, texts: list[str]) -> None:
        self._embed, self._folder = embed, tempfile.TemporaryDirectory()
        self._texts, self._number = texts, itertools.count()

    def __enter__(self) -> "WholeFlow":
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
        scores = f"file:{self._folder.name}/out-{next(self._number)}.jsonl"
        whole = settings.Settings(
            source=settings.Source(uri=f"file:{self._source}", id_field="id"),
            embed=self._embed.model_copy(update={"cache_rows": 0}),
            score=settings.Score(reference=False),
            sink=settings.Sink(scores=(scores,)),
        )
        run_main(
            build_flow(
                whole,
                source=open_source(whole, clock=utc_now, check_format=partial(check_format, whole)),
                embedder=open_embedder(whole.embed),
                sink=lambda stream, uri: open_sink(uri, whole, stream=stream),
            )
        )
