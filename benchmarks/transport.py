"""``python -m benchmarks.transport``: what does the way to the encoder and back cost, per text?

It starts Triton with the served model ``sbert`` and an encoder that computes nothing, and sends texts of 25
tokens through the embed stage of the dataflow: over gRPC and through shared memory, as fp32 and as fp16. It
prints the CPU time of each process, because a machine may be busy with other work. With ``--model`` the real
encoder of ``model_repo/`` answers.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from benchmarks.kit import null_encoder
from benchmarks.kit.candidates import ROOT
from benchmarks.kit.figures import Figure, middle, report
from benchmarks.kit.measure import table
from benchmarks.kit.processes import cpu_by_program
from benchmarks.tokens import Case, generated, known_words
from dataflow import settings
from dataflow.embed import open_embedder
from dataflow.embed.base import Embedder
from dataflow.embed.batch import embed_batches
from dataflow.embed.repository import Layout
from dataflow.items.embedding import Store
from dataflow.items.schemas import EVENT, TIMESTAMP
from export.serve.sidecar import Sidecar

DIM = 384
WAYS: tuple[tuple[str, Store], ...] = (("grpc", "fp32"), ("shm", "fp32"), ("grpc", "fp16"), ("shm", "fp16"))
HEADS = (
    "transport",
    "embed.store",
    "bytes an embedding in messages",
    "texts/s",
    "embed stage, us a text",
    "texts/s and core",
    "sbert, us a text",
    "tritonserver, us a text",
    "sbert as a whole, texts/s and core",
    "encoder, us a text",
    "stage and tritonserver, to the first",
)


Figures = list[Figure]


class Spent(NamedTuple):
    """Seconds of one run: by the clock, and of CPU in the embed stage and in the programs of the server."""

    wall: float
    stage: float
    server: dict[str, float]


def batches(texts: Sequence[str], rows: int) -> list[pa.RecordBatch]:
    """Decoded events, ``rows`` in a batch, as the source gives them."""
    found = []
    for first in range(0, len(texts), rows):
        part = texts[first : first + rows]
        n = len(part)
        columns = {
            "id": pa.array([str(first + number) for number in range(n)]),
            "key": pa.repeat("all", n),
            "ts": pa.array(np.arange(n)).cast(TIMESTAMP),
            "text": pa.array(part),
            "partition": pa.repeat("p", n),
            "offset": pa.array(np.arange(first, first + n)),
            "attributes": pa.repeat("{}", n),
            "masked": pa.nulls(n, pa.string()),
        }
        found.append(pa.RecordBatch.from_arrays([columns[name] for name in EVENT.names], schema=EVENT))
    return found


def spent(server: Sidecar, run: Callable[[], object]) -> Spent:
    assert server.pid
    before, stage, wall = cpu_by_program(server.pid), time.process_time(), time.perf_counter()
    run()
    wall, stage = time.perf_counter() - wall, time.process_time() - stage
    after = cpu_by_program(server.pid)
    return Spent(wall, stage, {name: after[name] - before.get(name, 0.0) for name in after})


def stage(embedder: Embedder, store: Store, events: Sequence[pa.RecordBatch]) -> None:
    """The embed stage: one call for each batch of the source."""
    for batch in events:
        embed_batches(embedder, [batch], store)


def message_bytes(embedder: Embedder, texts: Sequence[str]) -> float:
    """Bytes of the answers of the server in messages, for each text."""
    sizes: list[int] = []
    connection: Any = embedder
    while not hasattr(connection, "_connection"):
        connection = connection._inner
    connection = connection._connection
    send = connection._send

    def watched(request: Any, **more: Any) -> Any:
        future = send(request, **more)
        sizes.append(future.result().ByteSize())
        return future

    connection._send = watched
    embedder.embed(texts)
    connection._send = send
    return sum(sizes) / len(texts)


def measure(
    server: Sidecar, case: Case, rows: int, runs: int
) -> Iterator[tuple[tuple[object, ...], Figures]]:
    """A row of the table and figures for each way; the ways take turns, and each run has texts of its own."""
    slices = iter(case.calls())
    with ExitStack() as stack:
        embedders = {}
        for transport, store in WAYS:
            embedder = open_embedder(options(server, transport, store, rows))
            stack.callback(embedder.close)
            embedders[transport, store] = embedder
        found: dict[tuple[str, Store], list[Spent]] = {way: [] for way in WAYS}
        for number in range(-1, runs):
            # Every other time backwards, because the first way may find the machine in another state.
            for way, embedder in list(embedders.items())[:: 1 if number % 2 else -1]:
                texts = [text for call in next(slices) for text in call]
                events = batches(texts, rows)
                took = spent(server, partial(stage, embedder, way[1], events))
                if number >= 0:
                    found[way].append(took)
        for way, embedder in embedders.items():
            size = message_bytes(embedder, [f"a new text {number}" for number in range(rows)])
            texts_a_run = len(case.slices[0])
            yield (
                row(way, size, texts_a_run, found[way], found[WAYS[0]]),
                figures_of(way, texts_a_run, found[way], found[WAYS[0]]),
            )


def figures_of(way: tuple[str, Store], texts: int, runs: Sequence[Spent], first: Sequence[Spent]) -> Figures:
    """``texts``: of each run. ``first``: the runs of the first way."""
    name, unit = ", ".join(way), "texts/s and core"
    in_stage = [texts / took.stage for took in runs]
    server = [texts / (took.server["sbert"] + took.server["tritonserver"]) for took in runs]
    found = [
        middle(f"embed stage beside an encoder that computes nothing, {name}", in_stage, unit, 60_000),
        middle(f"`sbert` as a whole there, {name}", server, unit, 40_000),
    ]
    if way != WAYS[0]:
        costs = list(map(ratio, runs, first))
        found.append(middle(f"CPU time of stage and tritonserver, {name} / {', '.join(WAYS[0])}", costs))
    return found


def options(server: Sidecar, transport: str, store: Store, rows: int) -> settings.Embed:
    return settings.Embed(
        url=server.url,
        repository=Path(os.devnull),
        transport=transport,  # type: ignore[arg-type]
        key_file=server.key_file,
        store=store,
        max_request_rows=rows,
        # The texts of a run are new, as in the worst stream; a hit costs the server nothing.
        cache_rows=100_000,
    )


def row(
    way: tuple[str, Store], size: float, texts: int, runs: Sequence[Spent], first: Sequence[Spent]
) -> tuple[object, ...]:
    def each(of: Callable[[Spent], float]) -> float:
        return statistics.median(map(of, runs)) / texts * 1e6

    wall, in_stage = each(lambda took: took.wall), each(lambda took: took.stage)
    sbert, server, encoder = (
        each(lambda took, name=name: took.server.get(name, 0.0))  # type: ignore[misc]
        for name in ("sbert", "tritonserver", "sbert_encoder")
    )
    return (
        *way,
        f"{size:,.0f}",
        f"{1e6 / wall:,.0f}",
        f"{in_stage:.1f}",
        f"{1e6 / in_stage:,.0f}",
        f"{sbert:.1f}",
        f"{server:.1f}",
        f"{1e6 / (sbert + server):,.0f}",
        f"{encoder:.1f}",
        f"{statistics.median(map(ratio, runs, first)):.2f}",
    )


def ratio(took: Spent, first: Spent) -> float:
    """The CPU time that depends on the way, to that of another run."""
    one, other = (each.stage + each.server["tritonserver"] for each in (took, first))
    return one / other


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transport")
    parser.add_argument("--model", action="store_true", help="the real encoder, on this machine's CPU")
    parser.add_argument("--runs", type=int, default=5, help="runs of each way; default: %(default)s")
    parser.add_argument("--texts", type=int, default=16_384, help="texts of a run; default: %(default)s")
    parser.add_argument("--rows", type=int, default=1024, help="texts of a request; default: %(default)s")
    arguments = parser.parse_args()
    layout = Layout(ROOT / "model_repo")
    tokenizer: Any = Tokenizer.from_file(str(layout.tokenizer))
    runs = arguments.runs
    case = generated(known_words(tokenizer), len(WAYS) * (runs + 1), arguments.texts)
    with tempfile.TemporaryDirectory() as folder:
        root = (
            layout.root if arguments.model else null_encoder.repository(Path(folder, "m"), layout.root, DIM)
        )
        log = Path(folder, "triton.log")
        with Sidecar(root, venv=ROOT / ".venv-triton", log=log) as server:
            measured = list(measure(server, case, arguments.rows, runs))
    title = f"{arguments.texts} texts of 25 tokens a run, {arguments.rows} texts a request, medians of {runs}"
    table(title, HEADS, [row for row, _ in measured])
    if not arguments.model:
        report([figure for _, figures in measured for figure in figures])


if __name__ == "__main__":
    main()
