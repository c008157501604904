"""What happens before the flow runs, and the log lines about its start, its resume and its end."""

import atexit
import logging
import platform
from importlib.metadata import version
from typing import Any

import dataflow
from dataflow import settings as config
from dataflow.embed.base import Embedder
from dataflow.recovery import provenance, store
from dataflow.recovery.resume_log import ResumeLog
from dataflow.settings import Settings
from dataflow.telemetry.logs import Line
from dataflow.telemetry.watch import Watch

_log = logging.getLogger(__name__)


def prepare_store(
    run: config.BytewaxRun, settings: Settings, source: Any, embedder: Embedder
) -> store.Prepared | None:
    """Make the recovery store ready to resume from; ``None`` if Bytewax is to use no store.

    ``source``: a source with partitions. Raises ``SettingsError`` if the flow cannot resume from the store.
    """
    if run.recovery is None:
        return None
    made_with = provenance.made_with(settings, dim=embedder.dim, model=f"{embedder.model} {embedder.version}")
    return store.prepare(
        run.recovery,
        made_with,
        fixed=provenance.FIXED,
        addresses=run.addresses,
        source_step="driftline.source",
        source_parts=source.list_parts(),
    )


def log_start(settings: Settings, embedder: Embedder) -> None:
    """Log the versions, the model, and the settings that are not at their default."""
    changed = config.changed(settings)
    versions = {"driftline": dataflow.__version__, "bytewax": version("bytewax")}
    versions["python"] = platform.python_version()
    model = f"{embedder.model} version {embedder.version}, {embedder.dim} dimensions"
    shown = " ".join(f"{name}={value}" for name, value in changed.items()) or "all settings by default"
    sentence = f"driftline {versions['driftline']} starts; model {model}; {shown}"
    fields = {"model": embedder.model, "model_version": embedder.version, "dim": embedder.dim}
    _log.info(Line("start", sentence, versions=versions, settings=changed, **fields))


def resume(prepared: store.Prepared, embedder: Embedder, resume_log: ResumeLog) -> None:
    """Log that the flow resumes from a store, and how far; hold the store's lock while the process lives."""
    fields = {"epoch": prepared.epoch, "states": prepared.states, "removed": prepared.removed}
    sentence = f"the flow resumes at epoch {prepared.epoch} with {prepared.states} states of its store"
    if not prepared.states:
        sentence = "the recovery store is empty; the flow begins at the start of the source"
    if prepared.removed:
        sentence += f"; {prepared.removed} snapshots of epochs that did not finish are removed"
    now = f"{embedder.model} {embedder.version}"
    if (before := prepared.made_with.get("model", now)) != now:
        sentence += f"; rows that model {before} embedded are embedded again when a window mixes models"
    _log.info(Line("resume", sentence, **fields))
    store.show_size(prepared.folder)
    resume_log.start(prepared.states)
    atexit.register(prepared.lock.close)


def log_stop(watch: Watch) -> None:
    """Send and log what is still counted, and that the process stops."""
    watch.digest.report()
    watch.tracer.stop()
    _log.info(Line("stop", "driftline stops"))
