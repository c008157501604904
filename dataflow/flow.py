"""The whole graph: ``python -m bytewax.run dataflow.flow:flow``.

::

    source -> decode -> embed -> window -> score -> drift -> alert -> sink    side streams: late, dead_letters

The step ids in :func:`build` are part of the recovery format: a renamed step starts without state, and a
renamed flow reads the source from its start.
"""

import atexit
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import bytewax.operators as op
import pyarrow as pa
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.operators import KeyedStream
from bytewax.outputs import Sink

from dataflow import sink as sinks
from dataflow import startup
from dataflow.alert.step import alert
from dataflow.clock import Clock, utc_now
from dataflow.decode.batch import check_format
from dataflow.decode.step import decode
from dataflow.drift.step import drift
from dataflow.embed import open_embedder
from dataflow.embed.base import Embedder
from dataflow.embed.batch import one_version
from dataflow.embed.step import embed
from dataflow.errors import DriftlineError
from dataflow.items.marks import Marked
from dataflow.items.windows import KeyWindow, WholeWindows
from dataflow.marks.open import open_marks
from dataflow.recovery.resume_log import ResumeLog
from dataflow.reference.again import EmbedsSamples, follows
from dataflow.reference.pinned import open_pinned
from dataflow.score.emission import OneModel
from dataflow.score.scorers import open_scorer
from dataflow.score.step import score
from dataflow.settings import BytewaxRun, Settings, bytewax_run, load, load_log
from dataflow.sink.conflicts import refuse_conflicts
from dataflow.sink.step_ids import step_id
from dataflow.sink.watched import watched
from dataflow.source import open_source, partitions_with_data
from dataflow.source.watched import WatchedSource
from dataflow.stop import Signals, Stop
from dataflow.telemetry import logs
from dataflow.telemetry.digest import Digest
from dataflow.telemetry.guard import exit_on_error, last_line
from dataflow.telemetry.logs import Line
from dataflow.telemetry.traces import open_tracer
from dataflow.telemetry.watch import Watch
from dataflow.threads import one_thread
from dataflow.window import gauges
from dataflow.window.step import WindowsOut, gather_windows

OpenSink = Callable[[sinks.Stream, str], Sink[tuple[str, pa.RecordBatch]]]
Restored = Mapping[sinks.Stream, Callable[[Marked], Marked]]

_log = logging.getLogger(__name__)


def flow() -> Dataflow:
    """The dataflow that the environment asks for, as :func:`open_flow` opens it."""
    return open_flow(load, bytewax_run(sys.argv[1:]), Stop())


def open_flow(load_settings: Callable[[], Settings], run: BytewaxRun, stop: Stop) -> Dataflow:
    """The dataflow that the settings ask for, and which Bytewax runs as ``run`` says.

    A wrong setting ends the process with one line and code 2. An error while the flow runs (a scorer that
    returns nonsense, a model server that is unreachable for too long) ends the process with one line and code
    1. SIGTERM and SIGINT ask ``stop`` to end the process in order (see ``dataflow.stop``).
    """
    logs.start(load_log())
    one_thread()
    signals = Signals(stop)
    resume_log = ResumeLog(gauges.count)
    try:
        settings = load_settings()
        tracer = open_tracer(settings.log)
        guard = exit_on_error(settings.log.texts, before_exit=tracer.stop)
        watch = Watch(Digest(settings.log, time.monotonic), tracer, guard)
        opened = open_source(settings, clock=utc_now, check_format=partial(check_format, settings))
        source = WatchedSource(opened, guard, stop.asked, polled=resume_log.over)
        embedder = open_embedder(settings.embed, tracer)
        prepared = startup.prepare_store(run, settings, source, embedder)
        built = build(
            settings,
            source=source,
            embedder=embedder,
            sink=partial(_open_sink, settings, prepared.identity if prepared else None),
            watch=watch,
            stopping=stop.asked,
        )
    except DriftlineError as error:
        signals.restore()
        _log.critical(Line("error", str(error), exit_code=2))
        raise SystemExit(2) from None
    atexit.register(stop.start_again)  # what is registered first is called last
    startup.log_start(settings, embedder)
    if prepared:
        startup.resume(prepared, embedder, resume_log)
    atexit.register(startup.log_stop, watch)
    sys.excepthook = last_line(settings.log.texts, stop.ask)
    signals.running(before_exit=tracer.stop)
    alone = run.recovery is not None and not run.cluster
    source.watch_partitions(startup.on_new_partitions(stop.ask_again if alone else None))
    return built


def _open_sink(
    settings: Settings, store: str | None, stream: sinks.Stream, uri: str
) -> Sink[tuple[str, pa.RecordBatch]]:
    return sinks.open_sink(uri, settings, stream=stream, store=store)


def build(
    settings: Settings,
    *,
    source: Source[pa.RecordBatch],
    embedder: Embedder,
    sink: OpenSink,
    clock: Clock = utc_now,
    watch: Watch | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Dataflow:
    """The graph over given parts. ``sink(stream, uri)`` opens the sink of a stream: ``scores``, ``alerts``,
    ``drift``, ``late``, ``dead_letters`` or ``windows``. While ``stopping`` returns true, the end of the
    input closes no windows. Raises ``SettingsError``.
    """
    refuse_conflicts(settings)
    watch = watch or Watch(Digest(settings.log, time.monotonic))
    unify = partial(one_version, embedder, newest=follows(settings.score))
    pinned, marks = open_pinned(settings, embedder), open_marks(settings, embedder)
    one_model = OneModel(embedder.dim, unify, pinned, EmbedsSamples(settings, embedder), marks)

    flow = Dataflow("driftline")
    raw = op.input("source", flow, source)
    decoded = decode("decode", raw, settings, clock, watch)
    embedded = embed("embed", decoded.events, embedder, watch, settings.embed.store)
    partitions = partitions_with_data(source)
    windows = gather_windows(
        "window", embedded.events, settings.window, clock, partitions, watch, stopping, settings.alert.early
    )
    letters = (decoded.dead_letters, embedded.dead_letters)
    _detect(
        settings,
        windows,
        letters,
        one_model=one_model,
        sink=sink,
        clock=clock,
        watch=watch,
        stopping=stopping,
    )
    return flow


def build_replay(
    settings: Settings,
    *,
    source: Source[Marked],
    one_model: OneModel,
    sink: OpenSink,
    last_end: int,
    restored: Restored,
    watch: Watch,
    clock: Clock = utc_now,
) -> Dataflow:
    """The graph from the windows on, over events that were embedded before.

    ``source``: batches of ``embedded_schema``. ``last_end``: windows that end later are left out, because not
    all their events may be there; microseconds since the Unix epoch, UTC. Without effect with sessions, and
    with ``window.watermark = key``. ``restored``: for streams whose rows say where the source had the record,
    what gives them the recorded position. Raises ``SettingsError``.
    """
    flow = Dataflow("driftline_replay")
    events = op.input("source", flow, source)
    windows = gather_windows("window", events, settings.window, clock, (), watch)
    if settings.window.kind != "session" and settings.window.watermark == "stream":
        whole = op.filter_value("whole", windows.whole, partial(_ends_by, last_end))
        windows = replace(windows, whole=whole)
    _detect(
        settings,
        windows,
        (),
        one_model=one_model,
        sink=sink,
        clock=clock,
        watch=watch,
        restored=restored,
    )
    return flow


def _ends_by(last: int, windows: WholeWindows) -> bool:
    """Whether windows that end together end at ``last`` or earlier."""
    of_all = windows.windows
    return (of_all if isinstance(of_all, KeyWindow) else next(iter(of_all.values()))).ref.end <= last


def _detect(
    settings: Settings,
    windows: WindowsOut,
    letters: Sequence[KeyedStream[Marked]],
    *,
    one_model: OneModel,
    sink: OpenSink,
    clock: Clock,
    watch: Watch,
    stopping: Callable[[], bool] = lambda: False,
    restored: Restored = MappingProxyType({}),
) -> None:
    """The part of the graph from whole windows to the sinks. ``letters``: dead letters of earlier stages."""
    scorer = open_scorer(settings.score)
    scored = score("score", windows.whole, windows.arrived, scorer, settings, one_model, clock, watch)
    streams: dict[sinks.Stream, Any] = {}
    if settings.score.reference:
        drifted = drift("drift", scored.judged, settings, watch)
        streams["drift"] = drifted.rows
        said = (drifted.judged, windows.passed, scored.early)
        streams["alerts"] = alert("alert", *said, settings, watch, one_model.likeness, stopping)
    streams |= {
        "scores": scored.scores,
        "late": windows.late,
        "dead_letters": op.merge("dead_letters", *letters, scored.dead_letters),
        "windows": scored.windows,
    }
    for stream, restore in restored.items():
        streams[stream] = op.map_value(f"restored_{stream}", streams[stream], restore)
    for stream, items in streams.items():
        for uri in getattr(settings.sink, stream):
            op.output(step_id(stream, uri), items, watched(sink(stream, uri), watch))
