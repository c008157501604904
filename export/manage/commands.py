"""The commands of ``python -m export`` that need a running server; each returns its exit code."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from dataflow import settings
from export.convert import weights
from export.convert.build import build
from export.convert.parity import DIFFICULT_TEXTS
from export.errors import FailedError, UsageError
from export.manage import bench, verify, versions
from export.manage.triton import Control
from export.progress import steps
from export.repository import install, version_policy
from export.repository.configs import ENCODER, MODEL
from export.repository.install import Layout


@contextmanager
def _control(options: argparse.Namespace) -> Iterator[Control]:
    control = Control(embed_settings(options), options.key_file)
    try:
        yield control
    finally:
        control.close()


def embed_settings(options: argparse.Namespace) -> settings.Embed:
    """How the dataflow would reach the server that ``options`` name."""
    return settings.Embed(
        url=options.url,
        repository=options.repository,
        tls_ca=options.tls_ca,
        tls_certificate=options.tls_certificate,
        tls_key=options.tls_key,
    )


def list_versions(options: argparse.Namespace) -> int:
    """``list``: print the versions in the repository and on the server."""
    root = options.repository
    wanted = version_policy.read(root)
    with _control(options) as control:
        states, traffic = control.states(), control.traffic()
    rows = []
    for version in sorted({*versions.on_disk(root), *(version for _, version in states)}):
        spec, told = install.read_spec(Layout(root, str(version))), traffic.get(version)
        state, why = _state(states, version)
        rows.append(
            {
                "version": version,
                "name": spec and spec.name,
                "precision": spec and spec.precision,
                "dim": spec and spec.dim,
                "parity": spec and spec.parity,
                "wanted": version in wanted if wanted else None,
                "state": state,
                "reason": why,
                "requests": told.requests if told else 0,
                "texts": told.texts if told else 0,
                "failed": told.failed if told else 0,
                "mean_ms": round(told.mean_ms, 3) if told else None,
            }
        )
    _show(options, f"{root} and {options.url}", rows)
    return 0


def _state(states: dict[tuple[str, int], tuple[str, str]], version: int) -> tuple[str, str]:
    """Of both models together: READY only if both are."""
    both = [states.get((model, version), ("not loaded", "")) for model in (MODEL, ENCODER)]
    worst = next((each for each in both if each[0] != "READY"), both[0])
    return ("not loaded", "") if worst[0] == "UNAVAILABLE" and worst[1] == "unloaded" else worst


def load(options: argparse.Namespace) -> int:
    """``load``: load versions beside those that are served."""
    root = options.repository
    wanted = options.version or version_policy.read(root) or versions.on_disk(root)[-1:]
    if not wanted:
        raise UsageError(f"{root}: holds no whole version; make one with `python -m export build MODEL`")
    with _control(options) as control, steps() as log:
        versions.switch(control, embed_settings(options), root, {*control.ready(), *wanted}, log)
    return 0


def unload(options: argparse.Namespace) -> int:
    """``unload``: unload versions."""
    with _control(options) as control, steps() as log:
        ready = control.ready()
        left = set(ready) - set(options.version or ready)
        if absent := set(options.version) - set(ready):
            raise UsageError(f"version {min(absent)} is not served; served is {ready or 'none'}")
        if left:
            versions.switch(control, embed_settings(options), options.repository, left, log)
        else:
            for model in (MODEL, ENCODER):
                control.unload(model)
            log("serving no version")
    return 0


def promote(options: argparse.Namespace) -> int:
    """``promote``: make a new version, load and check it, then unload the old one."""
    if (options.model is None) == (options.source is None):
        raise UsageError("say MODEL, to export it, or --from REPOSITORY, to copy what was exported there")
    with _control(options) as control, steps() as log:
        if options.source:
            make = versions.copy_version(options.source, options.from_version)
        else:
            source = weights.source(options.model, options.package)

            def make(scratch: Path) -> object:
                return build(source, scratch, cache=options.cache, force=False, log=log)

        versions.promote(control, embed_settings(options), options.repository, make, log, keep=options.keep)
    return 0


def rollback(options: argparse.Namespace) -> int:
    """``rollback``: serve an older version."""
    with _control(options) as control, steps() as log:
        versions.rollback(control, embed_settings(options), options.repository, log, to=options.to)
    return 0


def verify_versions(options: argparse.Namespace) -> int:
    """``verify``: compare the answers of the server with the reference."""
    with _control(options) as control, steps() as log:
        asked = options.version or control.ready()
        if not asked:
            raise FailedError(f"Triton at {options.url} serves no version")
        verdicts = []
        for version in asked:
            layout = Layout(options.repository, str(version))
            log(f"asking version {version} for {len(DIFFICULT_TEXTS)} difficult texts, three times")
            reference = _encode(options.against) if options.against else verify.stored(layout)
            verdicts.append(verify.verify(embed_settings(options), layout, reference))
    _show(options, f"parity of {options.url}", [asdict(verdict) for verdict in verdicts])
    return 0 if all(verdict.ok for verdict in verdicts) else 1


def _encode(folder: Path) -> Any:
    """What the original model gives now."""
    from export.convert import graph  # noqa: PLC0415  torch takes seconds

    return np.asarray(graph.load(folder).encode(list(DIFFICULT_TEXTS), show_progress_bar=False), np.float32)


def bench_server(options: argparse.Namespace) -> int:
    """``bench``: print latency and throughput."""
    texts = bench.made_up_texts(4096)
    if options.texts:
        try:
            texts = [line for line in options.texts.read_text(encoding="utf-8").splitlines() if line]
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{options.texts}: {error}") from None
        if not texts:
            raise UsageError(f"{options.texts}: holds no text")
    cells = []
    with steps() as log:
        measured = bench.bench(
            embed_settings(options),
            texts,
            batches=options.batch,
            concurrencies=options.concurrency,
            seconds=options.seconds,
        )
        for cell in measured:
            log(f"{cell.concurrency} x {cell.batch}: {cell.texts_per_second:.0f} texts/s")
            cells.append(cell)
    _show(options, f"{options.url}, {len(texts)} texts", [asdict(cell) for cell in cells])
    return 0


def _show(options: argparse.Namespace, title: str, rows: Sequence[dict[str, Any]]) -> None:
    """On stdout: a table, or with ``--json`` a JSON list."""
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    names = list(rows[0]) if rows else ["version"]
    for name in names:
        numeric = any(isinstance(row[name], int | float) and not isinstance(row[name], bool) for row in rows)
        table.add_column(name, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in names))
    width = None if sys.stdout.isatty() else 200
    Console(highlight=False, width=width, markup=False).print(table)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2g}" if abs(value) < 0.01 else f"{value:.6g}"
    return "" if value is None else str(value)
