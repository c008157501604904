"""The commands of ``python -m export`` that need a running server. Each returns its exit code."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from dataflow import settings
from dataflow.embed.repository import ENCODER, MODEL, Layout, versions_asked_for
from export.convert import weights
from export.convert.build import build
from export.convert.parity import DIFFICULT_TEXTS
from export.errors import FailedError, UsageError
from export.manage import bench, verify, versions
from export.manage.table import show
from export.manage.triton import RunningTriton, State
from export.progress import steps
from export.repository import install


@contextmanager
def _running_triton(arguments: argparse.Namespace) -> Iterator[RunningTriton]:
    triton = RunningTriton(embed_options(arguments), arguments.key_file)
    try:
        yield triton
    finally:
        triton.close()


def embed_options(arguments: argparse.Namespace) -> settings.Embed:
    """The options with which the dataflow reaches the server that ``arguments`` name."""
    return settings.Embed(
        url=arguments.url,
        repository=arguments.repository,
        tls_ca=arguments.tls_ca,
        tls_certificate=arguments.tls_certificate,
        tls_key=arguments.tls_key,
    )


def list_versions(arguments: argparse.Namespace) -> int:
    """Print the versions in the repository and on the server, and how they differ."""
    root = arguments.repository
    asked = versions_asked_for(root)
    with _running_triton(arguments) as triton:
        states, traffic = triton.states(), triton.traffic()
    rows = []
    for version in sorted({*versions.on_disk(root), *(version for _, version in states)}):
        spec, answered = install.read_spec(Layout(root, str(version))), traffic.get(version)
        state = state_of_both(states, version)
        rows.append(
            {
                "version": version,
                "name": spec and spec.name,
                "precision": spec and spec.precision,
                "dim": spec and spec.dim,
                "parity": spec and spec.parity,
                "wanted": version in asked if asked else None,
                "state": state.name,
                "reason": state.reason,
                "requests": answered.requests if answered else 0,
                "texts": answered.texts if answered else 0,
                "failed": answered.failed if answered else 0,
                "mean_ms": round(answered.mean_ms, 3) if answered else None,
            }
        )
    show(rows, f"{root} and {arguments.url}", as_json=arguments.json)
    return 0


def state_of_both(states: dict[tuple[str, int], State], version: int) -> State:
    """The state of a version, which is READY only if the version of both models is."""
    not_loaded = State("not loaded", "")
    both = [states.get((model, version), not_loaded) for model in (MODEL, ENCODER)]
    worst = next((state for state in both if state.name != "READY"), both[0])
    return not_loaded if worst == State("UNAVAILABLE", "unloaded") else worst


def load(arguments: argparse.Namespace) -> int:
    """Serve more versions: the named ones, or those that the repository asks for."""
    root = arguments.repository
    wanted = arguments.version or versions_asked_for(root) or versions.on_disk(root)[-1:]
    if not wanted:
        raise UsageError(f"{root}: holds no complete version; make one with `python -m export build MODEL`")
    with _running_triton(arguments) as triton, steps() as log:
        versions.switch(triton, embed_options(arguments), root, {*triton.ready(), *wanted}, log)
    return 0


def unload(arguments: argparse.Namespace) -> int:
    """Stop serving the named versions; without names, all versions."""
    with _running_triton(arguments) as triton, steps() as log:
        ready = triton.ready()
        left = set(ready) - set(arguments.version or ready)
        if absent := set(arguments.version) - set(ready):
            raise UsageError(f"version {min(absent)} is not served; served is {ready or 'none'}")
        if left:
            versions.switch(triton, embed_options(arguments), arguments.repository, left, log)
        else:
            for model in (MODEL, ENCODER):
                triton.unload(model)
            log("serving no version")
    return 0


def promote(arguments: argparse.Namespace) -> int:
    """Export or copy a model as a new version, and serve this version."""
    if (arguments.model is None) == (arguments.copy_from is None):
        raise UsageError(
            "name either MODEL, to export it, or --from REPOSITORY, to copy a version from there"
        )
    with _running_triton(arguments) as triton, steps() as log:
        if arguments.copy_from:
            make = versions.copy_version(arguments.copy_from, arguments.from_version)
        else:
            found = weights.named(arguments.model, arguments.package)

            def make(scratch: Path) -> object:
                return build(found, scratch, cache=arguments.cache, force=False, log=log)

        root = arguments.repository
        versions.promote(triton, embed_options(arguments), root, make, log, keep=arguments.keep)
    return 0


def rollback(arguments: argparse.Namespace) -> int:
    """Serve an earlier version again."""
    with _running_triton(arguments) as triton, steps() as log:
        versions.rollback(triton, embed_options(arguments), arguments.repository, log, to=arguments.to)
    return 0


def verify_versions(arguments: argparse.Namespace) -> int:
    """Compare what the served versions answer with their references."""
    with _running_triton(arguments) as triton, steps() as log:
        asked = arguments.version or triton.ready()
        if not asked:
            raise FailedError(f"Triton at {arguments.url} serves no version")
        verdicts = []
        for version in asked:
            layout = Layout(arguments.repository, str(version))
            log(f"version {version} embeds {len(DIFFICULT_TEXTS)} difficult texts three times")
            reference = _encode(arguments.against) if arguments.against else verify.stored_reference(layout)
            verdicts.append(verify.verify(embed_options(arguments), layout, reference))
    show([asdict(each) for each in verdicts], f"parity of {arguments.url}", as_json=arguments.json)
    return 0 if all(verdict.ok for verdict in verdicts) else 1


def _encode(folder: Path) -> Any:
    """What the original model in ``folder`` gives for the difficult texts."""
    from export.convert import graph  # noqa: PLC0415  torch takes seconds

    return np.asarray(graph.load(folder).encode(list(DIFFICULT_TEXTS), show_progress_bar=False), np.float32)


def bench_server(arguments: argparse.Namespace) -> int:
    """Measure how many texts a second the server embeds, and the latency."""
    texts = _lines(arguments.texts) if arguments.texts else bench.made_up_texts(4096)
    cells = []
    with steps() as log:
        measured = bench.bench(
            embed_options(arguments),
            texts,
            batches=arguments.batch,
            concurrencies=arguments.concurrency,
            seconds=arguments.seconds,
        )
        for cell in measured:
            log(f"{cell.concurrency} x {cell.batch}: {cell.texts_per_second:.0f} texts/s")
            cells.append(cell)
    title = f"{arguments.url}, {len(texts)} texts"
    show([asdict(cell) for cell in cells], title, as_json=arguments.json)
    return 0


def _lines(path: Path) -> Sequence[str]:
    try:
        texts = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None
    if not texts:
        raise UsageError(f"{path}: holds no text")
    return texts
