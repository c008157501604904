"""``python -m benchmarks.gpu FOLDER...``: how fast is a model on this machine's NVIDIA GPU, and against what?

It needs no server and no network: a bare GPU machine with PyTorch, onnxruntime-gpu and this checkout. Each
FOLDER is a sentence-transformers folder. The script exports the model for the GPU in fp16, which includes the
comparison with ``SentenceTransformer.encode``, and measures it beside PyTorch in turns, in one process:

- ``graph``: the session of ``embed.kind=onnx`` on batches of tokens; what the GPU can take;
- ``embedder``: the same from texts, tokenizer included; what a flow gets;
- ``flow``: the whole dataflow, from file to file, with the null embedder's rate beside it;
- ``encode``: ``SentenceTransformer.encode`` in fp16; ``compiled``: the same with ``torch.compile``.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx

from benchmarks.kit.candidates import OUT, WholeFlow
from benchmarks.kit.measure import median, race, table
from dataflow import settings
from dataflow.embed.cuda_session import gpus
from dataflow.embed.repository import Layout
from dataflow.embed.session import Session
from dataflow.embed.tokens import GPU, Batch, Tokens
from export.convert.build import Target, build
from export.convert.weights import named

LENGTHS = (16, 25, 50, 128, 256)
CALLS = 20
_WORDS = ("disk", "node", "user", "root", "error", "kernel", "page", "port", "from", "by", "after", "cold")


class Model(NamedTuple):
    """An exported model with what is measured beside it. ``flops``: of a token in products with weights."""

    name: str
    layout: Layout
    session: Session
    tokens: Tokens
    torch: Any
    flops: int


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("folders", metavar="FOLDER", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--tokens", type=int, default=2 << 20, help="tokens of a round; default: %(default)s")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile, too: minutes more")
    arguments = parser.parse_args()
    gpu = gpus()[0]
    rate = matrix_rate()
    print(f"{gpu.name}, {gpu.memory / 2**30:.0f} GiB; product of 8192 x 8192 fp16: {rate / 1e12:.0f} TFLOP/s")
    for folder in arguments.folders:
        model = exported(folder)
        print(f"\n{model.name}: runs on {model.session.device}")
        throughput(model, arguments.rounds, arguments.tokens, rate, compiled=arguments.compile)
        latency(model, arguments.rounds)
        flow(model, arguments.rounds, arguments.tokens)


def matrix_rate() -> float:
    """Operations a second in a large fp16 product of random matrices: the median of ten."""
    import torch  # noqa: PLC0415

    left, right = (torch.randn(8192, 8192, device="cuda", dtype=torch.half) for _ in range(2))
    seconds = []
    for _ in range(13):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        left @ right
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begun)
    return float(2 * 8192**3 / statistics.median(seconds[3:]))


def exported(folder: Path) -> Model:
    """Export the model in ``folder`` for the GPU, in fp16."""
    import torch  # noqa: PLC0415
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    root = OUT / f"{folder.name}-gpu"
    begun = time.perf_counter()
    build(named(str(folder)), root, cache=OUT, force=True, log=print, target=Target("fp16", "gpu"))
    print(f"exported in {time.perf_counter() - begun:.0f} s")
    layout = Layout(root)
    session = Session(layout.graph, layout.tokenizer, device="cuda")
    reference = SentenceTransformer(str(folder), device="cuda", model_kwargs={"dtype": torch.half})
    return Model(folder.name, layout, session, Tokens(layout.tokenizer), reference, flops(layout.graph))


def flops(graph: Path) -> int:
    """Operations for a token in the products with weights: two for each weight."""
    proto = onnx.load(graph).graph
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in proto.initializer}
    products = [node for node in proto.node if node.op_type in ("MatMul", "Attention", "Gemm")]
    return 2 * sum(sizes.get(node.input[1], 0) for node in products)


def texts_of(tokens: Tokens, length: int, count: int) -> list[str]:
    """``count`` different texts of ``length`` tokens."""
    draw = random.Random(length)
    texts = [" ".join(draw.choices(_WORDS, k=length - 2)) for _ in range(count)]
    found = next(iter(tokens.batches(texts[:1])))
    assert int(found.attention_mask.sum()) == length, "each word is one token, and two tokens are special"
    return texts


def throughput(model: Model, rounds: int, budget: int, rate: float, *, compiled: bool) -> None:
    rows = []
    for length in LENGTHS:
        texts = texts_of(model.tokens, length, budget // length)
        batches = list(model.tokens.batches(texts, **GPU._asdict()))
        candidates: dict[str, Callable[[], object]] = {
            "graph": partial(each, model.session, batches),
            "embedder": partial(model.session.encode, texts),
            "encode": partial(encode, model.torch, texts),
        }
        found = race(rounds, candidates, warm_up=True)
        if compiled:
            with compiling(model.torch):
                found |= race(rounds, {"compiled": candidates["encode"]}, warm_up=True)
        base = median(found["encode"]).wall
        for name, runs in found.items():
            wall = median(runs).wall
            speed = len(texts) * length / wall
            rows.append(
                (
                    length,
                    name,
                    f"{len(texts) / wall:,.0f}",
                    f"{speed / 1e6:.2f} M",
                    f"{speed * model.flops / rate:.0%}",
                    f"{base / wall:.2f}",
                )
            )
    heads = ("tokens", "", "texts/s", "tokens/s", "of the matrix rate", "over encode")
    table(f"{model.name}, fp16, medians of {rounds} rounds", heads, rows)


def each(session: Session, batches: list[Batch]) -> None:
    for batch in batches:
        session.compute(batch)


def often(call: Callable[[], object]) -> None:
    for _ in range(CALLS):
        call()


def encode(reference: Any, texts: list[str]) -> None:
    reference.encode(texts, batch_size=512, show_progress_bar=False, convert_to_numpy=True)


@contextmanager
def compiling(reference: Any) -> Iterator[None]:
    """``torch.compile`` for the transformer within the block."""
    import torch  # noqa: PLC0415

    transformer = reference[0]
    plain = transformer.auto_model
    transformer.auto_model = torch.compile(plain, dynamic=True)
    try:
        yield
    finally:
        transformer.auto_model = plain


def latency(model: Model, rounds: int) -> None:
    """Milliseconds for a single text."""
    rows = []
    for length in LENGTHS:
        texts = texts_of(model.tokens, length, 1)
        candidates: dict[str, Callable[[], object]] = {
            "embedder": partial(often, partial(model.session.encode, texts)),
            "encode": partial(often, partial(encode, model.torch, texts)),
        }
        found = race(rounds, candidates, warm_up=True)
        rows.append((length, *(f"{median(runs).wall / CALLS * 1e3:.2f}" for runs in found.values())))
    table(f"{model.name}, one text at a time, ms", ("tokens", "embedder", "encode"), rows)


def flow(model: Model, rounds: int, budget: int) -> None:
    """The whole dataflow in one process."""
    length = 25
    texts = texts_of(model.tokens, length, min(100_000, budget // length))
    root = model.layout.root
    onnx_on_gpu = settings.Embed(kind="onnx", device="cuda", repository=root)
    null = settings.Embed(kind="null", dim=model.session.dim)
    with WholeFlow(onnx_on_gpu, texts) as whole, WholeFlow(null, texts) as empty:
        found = race(
            rounds,
            {
                "flow": whole.run,
                "flow, null embedder": empty.run,
                "embedder": partial(model.session.encode, texts),
            },
            warm_up=True,
        )
    rows = [
        (name, f"{len(texts) / median(runs).wall:,.0f}", f"{median(runs).cpu / len(texts) * 1e6:.0f}")
        for name, runs in found.items()
    ]
    title = f"{model.name}, whole flow in one process: {len(texts)} texts of {length} tokens"
    table(title, ("", "texts/s", "CPU us per text"), rows)


if __name__ == "__main__":
    main()
