"""Checks whether a restart finds its state, and whether the state fits the settings."""

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

from dataflow.clock import utc_now
from dataflow.doctor import Case, Finding, found
from dataflow.embed.null import NullEmbedder
from dataflow.errors import SettingsError
from dataflow.flow import build
from dataflow.recovery import provenance, store
from dataflow.recovery.partitions import no_partition
from dataflow.settings import Settings
from dataflow.sink.stdio import StdioSink
from dataflow.source.demo import DemoSource, Options

_LEAST_FREE_BYTES = 1 << 30


def findings(case: Case) -> list[Finding]:
    """What the doctor finds about the recovery store."""
    return [found("recovery", partial(_recovery, case))]


def _recovery(case: Case) -> Finding:
    folder = case.recovery
    if folder is None:
        message = "no store: a restart reads the source from its start; name a store with -r, --recovery here"
        return Finding("recovery", "skipped", message)
    contents = store.read(folder)
    if contents is None and case.cluster:
        return Finding(
            "recovery", "ok", f"{folder}: no partition here; another process of the cluster has them"
        )
    if contents is None:
        raise SettingsError(no_partition(folder))
    now = provenance.made_with(case.settings, dim=case.settings.embed.dim, model="")
    # Without embed.dim, only the model server knows the dimension.
    fixed = [name for name in provenance.FIXED if name in now or name != "embedding.dim"]
    if contents.steps and (reasons := provenance.differences(contents.made_with, now, fixed)):
        raise SettingsError(
            f"{folder}: its state was made with {reasons[0]}; set this back, or start with an empty store"
        )
    return _usable(case, folder, contents)


def _usable(case: Case, folder: Path, contents: store.Contents) -> Finding:
    """The finding about a store that the flow can use."""
    count = f"{folder}: {contents.partitions} partition{'s' * (contents.partitions != 1)}"
    free = shutil.disk_usage(folder).free
    if free < _LEAST_FREE_BYTES:
        message = f"{count}, but only {free / 1e6:.0f} MB of disk are free; make room"
        return Finding("recovery", "warning", message)
    unknown = contents.steps - step_ids(case.settings)
    if unknown:
        return Finding(
            "recovery",
            "warning",
            f"{count}, with state of steps that this flow does not have: {', '.join(sorted(unknown))}; "
            "it stays unused, and a renamed step starts empty: see the release notes, or take a new store",
        )
    if not contents.steps:
        return Finding("recovery", "ok", f"{count}, new; the flow begins at the start of the source")
    age = max(case.now - datetime.fromtimestamp(contents.written, timezone.utc), timedelta(0))
    written = f"last written {str(age).partition('.')[0]} ago"
    return Finding("recovery", "ok", f"{count}; resumes at epoch {contents.epoch}, {written}")


def step_ids(settings: Settings) -> set[str]:
    """The ids of all steps of the flow with ``settings``. The flow is built, and does not run."""
    source = DemoSource(Options(), settings.source, utc_now)
    flow = build(settings, source=source, embedder=NullEmbedder(8), sink=lambda *_: StdioSink("stdout"))

    def ids(steps: Any) -> Iterator[str]:
        for step in steps:
            yield step.step_id
            yield from ids(step.substeps)

    return set(ids(flow.substeps))
