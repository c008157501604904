"""Will a restart find its state, and does the state fit the settings?"""

import shutil
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from dataflow.clock import utc_now
from dataflow.doctor import Case, Finding, found
from dataflow.embed.null import NullEmbedder
from dataflow.errors import SettingsError
from dataflow.flow import build
from dataflow.recovery import provenance, store
from dataflow.settings import Settings
from dataflow.sink.stdio import StdioSink
from dataflow.source.demo import DemoSource, Options

_LEAST_FREE_BYTES = 1 << 30


def look(case: Case) -> list[Finding]:
    """Check the recovery store."""
    return [found("recovery", lambda: _recovery(case))]


def _recovery(case: Case) -> Finding:
    folder = case.recovery
    if folder is None:
        return Finding(
            "recovery", "skipped", "no store: a restart begins anew; name one with -r, --recovery here"
        )
    paths = store.partition_paths(folder)
    if not paths and case.cluster:
        return Finding(
            "recovery", "ok", f"{folder}: no partition here; another process of the cluster has them"
        )
    if not paths:
        raise SettingsError(store.no_partition(folder))
    epoch = store.resume_epoch(folder, [store.read_partition(path) for path in paths])
    known, steps = store.read_made_with(paths), store.read_steps(paths)
    now = provenance.made_with(case.settings, dim=case.settings.embed.dim, model="")
    fixed = [name for name in provenance.FIXED if name in now or name != "embedding.dim"]
    if steps and (reasons := store.differences(known, now, fixed)):
        raise SettingsError(
            f"{folder}: its state was made with {reasons[0]}; set this back, or start with an empty store"
        )
    return _told(case, folder, paths, epoch, steps)


def _told(case: Case, folder: Path, paths: list[Path], epoch: int, steps: set[str]) -> Finding:
    there = f"{folder}: {len(paths)} partition{'s' * (len(paths) != 1)}"
    free = shutil.disk_usage(folder).free
    if free < _LEAST_FREE_BYTES:
        return Finding(
            "recovery", "warning", f"{there}, but only {free / 1e6:.0f} MB of disk are free; make room"
        )
    unknown = steps - step_ids(case.settings)
    if unknown:
        return Finding(
            "recovery",
            "warning",
            f"{there}, with state of steps that this flow has not: {', '.join(sorted(unknown))}; "
            "they stay unused, and a renamed step starts empty: see the release's notes, or take a new store",
        )
    if not steps:
        return Finding("recovery", "ok", f"{there}, new; the flow begins at the start")
    written = max(wal.stat().st_mtime for path in paths for wal in (path, *folder.glob(f"{path.name}-wal")))
    age = max(case.now - datetime.fromtimestamp(written, timezone.utc), case.now - case.now)
    return Finding(
        "recovery", "ok", f"{there}; resumes at epoch {epoch}, last written {str(age).partition('.')[0]} ago"
    )


def step_ids(settings: Settings) -> set[str]:
    """The ids of all steps of the flow that ``settings`` ask for. The source and the sinks here never run."""
    source = DemoSource(Options(), settings.source, utc_now)
    flow = build(settings, source=source, embedder=NullEmbedder(8), sink=lambda *_: StdioSink("stdout"))

    def ids(steps: Any) -> Iterator[str]:
        for step in steps:
            yield step.step_id
            yield from ids(step.substeps)

    return set(ids(flow.substeps))
