"""Will a restart find its state? The tables are those of bytewax 0.21, which pyproject.toml pins."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from bytewax.inputs import DynamicSource
from bytewax.outputs import DynamicSink

from dataflow.doctor import Case, Finding, found
from dataflow.embed import NullEmbedder
from dataflow.errors import SettingsError
from dataflow.flow import build
from dataflow.settings import Settings

_MAKE = "make one with `python -m bytewax.recovery {} 4`"
_LEAST_FREE_BYTES = 1 << 30
#: One step id after the other, by the index: the table is large.
_NEXT_STEP = "SELECT min(step_id) FROM snaps WHERE step_id > ?"
_NEWEST_RUN = "SELECT ex_num, resume_epoch FROM exs ORDER BY ex_num DESC LIMIT 1"


class _Part(NamedTuple):
    of: int
    steps: set[str]
    #: The newest execution, and the epoch that it began with.
    run: tuple[int, int]
    #: (execution, epoch that a worker has reached)
    fronts: list[tuple[int, int]]


def look(case: Case) -> list[Finding]:
    return [found("recovery", lambda: _recovery(case))]


def _recovery(case: Case) -> Finding:
    folder = case.recovery
    if folder is None:
        return Finding(
            "recovery", "skipped", "no store: a restart begins anew; name one with -r, --recovery here"
        )
    if not folder.is_dir():
        raise SettingsError(f"{folder}: no such folder; {_MAKE.format(folder)}")
    paths = sorted(folder.glob("part-*.sqlite3"))
    if not paths and case.cluster:
        return Finding(
            "recovery", "ok", f"{folder}: no partition here; another process of the cluster has them"
        )
    if not paths:
        raise SettingsError(f"{folder}: no recovery partition; {_MAKE.format(folder)}, or restore a backup")
    for path in (folder, *paths):
        if not os.access(path, os.R_OK | os.W_OK):
            raise SettingsError(f"{path}: cannot be read and written; change its owner or permissions")
    parts = [_read(path) for path in paths]
    if len(parts) < parts[0].of and not case.cluster:
        raise SettingsError(f"{folder}: {len(parts)} of {parts[0].of} partitions; restore a backup of all")
    return _told(case, folder, paths, parts)


def _told(case: Case, folder: Path, paths: list[Path], parts: list[_Part]) -> Finding:
    there = f"{folder}: {len(parts)} partition{'s' * (len(parts) != 1)}"
    free = shutil.disk_usage(folder).free
    if free < _LEAST_FREE_BYTES:
        return Finding(
            "recovery", "warning", f"{there}, but only {free / 1e6:.0f} MB of disk are free; make room"
        )
    unknown = set[str]().union(*(part.steps for part in parts)) - step_ids(case.settings)
    if unknown:
        return Finding(
            "recovery",
            "warning",
            f"{there}, with state of steps that this flow has not: {', '.join(sorted(unknown))}; "
            "they stay unused, and a renamed step starts empty: see the release's notes, or take a new store",
        )
    run, began = max((part.run for part in parts), default=(-1, 0))
    if run < 0:
        return Finding("recovery", "ok", f"{there}, new; the flow begins at the start")
    fronts = [epoch for part in parts for ex, epoch in part.fronts if ex == run]
    written = max(wal.stat().st_mtime for path in paths for wal in (path, *folder.glob(f"{path.name}-wal")))
    age = max(case.now - datetime.fromtimestamp(written, timezone.utc), case.now - case.now)
    epoch = min(fronts, default=began)
    return Finding(
        "recovery", "ok", f"{there}; resumes at epoch {epoch}, last written {str(age).partition('.')[0]} ago"
    )


def _read(path: Path) -> _Part:
    # Without a log of changes nobody has it open, and only so does sqlite leave no files beside it.
    how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)) as database:
            (count,) = database.execute("SELECT part_count FROM parts").fetchone()
            run = database.execute(_NEWEST_RUN).fetchone() or (-1, 0)
            fronts = database.execute("SELECT ex_num, worker_frontier FROM fronts").fetchall()
            return _Part(count, set(_steps(database)), run, fronts)
    except (sqlite3.Error, TypeError) as error:
        raise SettingsError(
            f"{path}: no recovery partition ({error}); restore a backup, or make a new store"
        ) from None


def _steps(database: sqlite3.Connection) -> Iterator[str]:
    step: str | None = ""
    while (step := database.execute(_NEXT_STEP, (step,)).fetchone()[0]) is not None:
        yield step


def step_ids(settings: Settings) -> set[str]:
    """The ids of all steps of the flow that ``settings`` ask for."""
    flow = build(settings, source=_NoSource(), embedder=NullEmbedder(8), sink=lambda *_: _NoSink())

    def ids(steps: Any) -> Iterator[str]:
        for step in steps:
            yield step.step_id
            yield from ids(step.substeps)

    return set(ids(flow.substeps))


class _NoSource(DynamicSource[Any]):
    """For a flow whose steps are named and which never runs; so is the sink."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> Any:
        raise NotImplementedError


class _NoSink(DynamicSink[Any]):
    def build(self, step_id: str, worker_index: int, worker_count: int) -> Any:
        raise NotImplementedError
