"""Prepares the recovery store before the flow runs, and logs the start, the resume, the stop, and new
partitions of the source.
"""

import atexit
import logging
import platform
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import dataflow
from dataflow.embed.base import Embedder
from dataflow.recovery import provenance, store
from dataflow.recovery.resume_log import ResumeLog
from dataflow.settings import BytewaxRun, Settings, changed
from dataflow.telemetry import metrics
from dataflow.telemetry.logs import Line
from dataflow.telemetry.watch import Watch

_log = logging.getLogger(__name__)


def prepare_store(
    run: BytewaxRun, settings: Settings, source: Any, embedder: Embedder
) -> store.Prepared | None:
    """Prepare the recovery store of ``run`` for a resume; ``None`` if the flow runs without a store.

    ``source``: a source with partitions, which is told those that the store knows. Raises
    ``SettingsError`` if the flow cannot resume from the store.
    """
    if run.recovery is None:
        return None
    made_with = provenance.made_with(settings, dim=embedder.dim, model=f"{embedder.model} {embedder.version}")
    prepared = store.prepare(
        run.recovery,
        made_with,
        fixed=provenance.FIXED,
        addresses=run.addresses,
        source_step="driftline.source",
        source_parts=source.list_parts(),
    )
    if prepared and hasattr(source, "resume"):
        source.resume(prepared.source_parts)
    return prepared


def log_start(settings: Settings, embedder: Embedder) -> None:
    """Log the versions, the model, and the settings that are not at their default."""
    options = changed(settings)
    versions = {"driftline": dataflow.__version__, "bytewax": version("bytewax")}
    versions["python"] = platform.python_version()
    model = f"{embedder.model} version {embedder.version}, {embedder.dim} dimensions"
    shown = " ".join(f"{name}={value}" for name, value in options.items()) or "all settings at their default"
    sentence = f"driftline {versions['driftline']} starts; model {model}; {shown}"
    fields = {"model": embedder.model, "model_version": embedder.version, "dim": embedder.dim}
    _log.info(Line("start", sentence, versions=versions, settings=options, **fields))


def resume(prepared: store.Prepared, embedder: Embedder, resume_log: ResumeLog) -> None:
    """Log that the flow resumes from a store. Hold the lock of the store until the process ends."""
    fields = {"epoch": prepared.epoch, "states": prepared.states, "removed": prepared.removed}
    sentence = (
        f"the flow resumes at epoch {prepared.epoch} with {prepared.states} states of its recovery store"
    )
    if not prepared.states:
        sentence = "the recovery store is empty; the flow begins at the start of the source"
    if prepared.removed:
        sentence += f"; {prepared.removed} snapshots of epochs that did not finish were removed"
    now = f"{embedder.model} {embedder.version}"
    if (before := prepared.made_with.get("model", now)) != now:
        sentence += f"; rows that model {before} embedded are embedded again when a window mixes models"
    _log.info(Line("resume", sentence, **fields))
    store.show_size(prepared.folder)
    resume_log.start(prepared.states)
    atexit.register(prepared.lock.close)


def log_stop(watch: Watch) -> None:
    """Log the last counts, send the last spans, and log that the process stops."""
    watch.digest.report()
    watch.tracer.stop()
    _log.info(Line("stop", "driftline stops"))


def on_new_partitions(restart: Callable[[], None] | None) -> Callable[[list[str]], None]:
    """What a source calls with the names of its new partitions.

    ``restart`` stops the flow in order and starts the process again. ``None``: a person has to do that.
    Without a recovery store, a start reads the source from its beginning. And the processes of a cluster
    cannot stop at the same moment by themselves.
    """

    def added(names: list[str]) -> None:
        metrics.NEW_PARTITIONS.inc(len(names))
        how = "the dataflow starts again" if restart else "stop the dataflow and start it again"
        sentence = f"the source has new partitions: {', '.join(names)}; {how}, to read them"
        _log.warning(Line("partitions_added", sentence, partitions=names, restarts=restart is not None))
        if restart:
            restart()

    return added
