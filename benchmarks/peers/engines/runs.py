"""Runs of engines over a stream, each from file to file; Quix Streams reads a topic of a real broker."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from benchmarks.peers.engines.programs.work import BEGAN
from benchmarks.peers.engines.tasks import Event, Task, Window, read, read_scores
from benchmarks.peers.environments import java, python_of, versions
from benchmarks.peers.processes import Use, end_of, sampled, started, with_settings
from benchmarks.peers.streams import write_file
from tests.support.kafka_broker import PATIENCE_S, QUIET, broker

TOPIC = "events"
_POLL_S = 0.25
#: A program that has written nothing for so long has written all that it will. Quix Streams writes each 5 s.
_QUIET_S = 20.0


class Engine(NamedTuple):
    """``environment``: of the peer; empty: the project's own. ``topic``: it reads a topic instead of files.

    ``ends``: it ends when it has read all files.
    """

    program: str
    environment: str = ""
    package: str = ""
    topic: bool = False
    ends: bool = True


DRIFTLINE = "Driftline"
#: A flow for one worker alone: with fewer key groups its batches are larger.
ONE_GROUP = "Driftline, one key group"
#: What starts the dataflow with an embedder that notes when it begins.
FLOW_COMMAND = (sys.executable, "-m", "bytewax.run", "benchmarks.peers.engines.programs.driftline:flow")
ENGINES = {
    "Bytewax": Engine("bytewax"),
    "Quix Streams": Engine("quix", "quix", "quixstreams", topic=True, ends=False),
    "Pathway": Engine("pathway", "pathway", "pathway", ends=False),
    "PyFlink": Engine("flink", "flink", "apache-flink"),
}


def versions_of(engines: Iterable[str]) -> dict[str, str]:
    """The versions of what runs, by name. Raises :class:`MissingError` if Java is not installed."""
    found: dict[str, str] = {}
    for name in engines:
        if name == "PyFlink":
            found["Java"] = java()
        if name in ENGINES and ENGINES[name].environment:
            found |= versions(ENGINES[name].environment, ENGINES[name].package)
        else:
            found["bytewax"] = version("bytewax")
    return found


class Shape(NamedTuple):
    """The windows of a run, in seconds."""

    length_s: int
    slide_s: int
    delay_s: int


@dataclass
class Ran(Use):
    """``seconds``: from the first event that is embedded to the last window. ``complete``: it was not
    stopped because it took too long.
    """

    windows: list[Window] = field(default_factory=list)
    seconds: float = float("nan")
    complete: bool = True


def task_in(folder: Path, shape: Shape, address: str = "") -> Task:
    """The task of a program that keeps all its files in ``folder``."""
    for name in ("in", "out", "state"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    source = TOPIC if address else str(folder / "in")
    out, state, began = (str(folder / name) for name in ("out", "state", "began"))
    return Task(source, out, state, began, *shape, broker=address)


def command_of(engine: Engine, task: Task) -> list[str]:
    """What starts the program of an engine."""
    python = str(python_of(engine.environment)) if engine.environment else sys.executable
    return [python, "-m", f"benchmarks.peers.engines.programs.{engine.program}", json.dumps(asdict(task))]


@contextmanager
def topic(folder: Path, partitions: int = 1) -> Iterator[str]:
    """A broker with an empty topic. Quix Streams asks for the settings of the topic that are given here."""
    with broker(folder / "broker.log") as address:
        forever = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
        admin = AdminClient(QUIET | {"bootstrap.servers": address})
        admin.create_topics([NewTopic(TOPIC, partitions, 1, config=forever)])[TOPIC].result(PATIENCE_S)
        yield address


def produce(address: str, events: Sequence[Event]) -> None:
    """Send the events to their partitions of the topic."""
    limits = {"linger.ms": 20, "queue.buffering.max.messages": 1_000_000}
    producer = Producer(QUIET | limits | {"bootstrap.servers": address})
    for event in events:
        producer.produce(TOPIC, event.line(), key=event.key, partition=event.partition)
    producer.flush(PATIENCE_S)


def run(name: str, events: Sequence[Event], shape: Shape, wanted: int, folder: Path, limit_s: float) -> Ran:
    """One engine over the whole stream, until it has written ``wanted`` windows.

    Raises ``RuntimeError`` if the program fails.
    """
    if name in (DRIFTLINE, ONE_GROUP):
        more = {"DRIFTLINE_WINDOW__KEY_GROUPS": "1"} if name == ONE_GROUP else {}
        return _driftline(events, shape, folder, limit_s, more)
    engine = ENGINES[name]
    if engine.topic:
        folder.mkdir(parents=True, exist_ok=True)
        with topic(folder) as address:
            produce(address, events)
            return _peer(engine, task_in(folder, shape, address), wanted, limit_s)
    task = task_in(folder, shape)
    write_file(Path(task.input), 0, events)
    return _peer(engine, task, wanted, limit_s)


def _peer(engine: Engine, task: Task, wanted: int, limit_s: float) -> Ran:
    ran, output = Ran(), Path(task.output)
    log = output.with_suffix(".log")
    with started(command_of(engine, task), dict(os.environ), log) as process, sampled([process.pid], ran):
        ran.complete = until(process, log, output, None if engine.ends else wanted, limit_s)
    ran.windows = read(output)
    if ran.windows:
        ran.seconds = max(window.at for window in ran.windows) - float(Path(task.began).read_text())
    return ran


def lines_in(output: Path) -> int:
    """The lines of all files below ``output``."""
    return sum(path.read_bytes().count(b"\n") for path in output.rglob("*") if path.is_file())


def until(
    process: "subprocess.Popen[bytes]", log: Path, output: Path, wanted: int | None, limit_s: float
) -> bool:
    """Wait for the end of the process; or, unless ``wanted`` is nothing, for so many lines or for a long
    silence after the first one.

    Returns whether that came within ``limit_s``. Raises ``RuntimeError`` if the process fails.
    """
    limit = time.monotonic() + limit_s
    lines, changed = 0, time.monotonic()
    while time.monotonic() < limit:
        code = process.poll()
        if code is not None:
            if code != 0:
                raise RuntimeError(f"{process.args!r} ended with code {code}:\n{end_of(log)}")
            return True
        time.sleep(_POLL_S)
        if wanted is not None:
            found = lines_in(output)
            if found != lines:
                lines, changed = found, time.monotonic()
            if lines >= wanted or (lines and time.monotonic() - changed > _QUIET_S):
                return True
    return False


def settings_of(task: Task, source: str, scores: Path) -> dict[str, str]:
    """The environment of :data:`FLOW_COMMAND`, which then computes what the programs of the peers compute."""
    settings = {
        "DRIFTLINE_SOURCE__URI": source,
        "DRIFTLINE_SOURCE__ID_FIELD": "id",
        "DRIFTLINE_SOURCE__KEY_FIELD": "key",
        "DRIFTLINE_SOURCE__TS_FORMAT": "epoch_ms",
        "DRIFTLINE_EMBED__KIND": "null",
        "DRIFTLINE_EMBED__CACHE_ROWS": "0",
        "DRIFTLINE_WINDOW__LENGTH": f"{task.length_s}s",
        "DRIFTLINE_WINDOW__SLIDE": f"{task.slide_s}s",
        "DRIFTLINE_WINDOW__DELAY": f"{task.delay_s}s",
        # The last event of the stream alone moves the watermark, as it does in the other engines.
        "DRIFTLINE_WINDOW__MAX_JUMP": "2d",
        "DRIFTLINE_SCORE__KIND": "mean",
        "DRIFTLINE_SCORE__REFERENCE": "false",
        "DRIFTLINE_DRIFT__ENABLED": "false",
        "DRIFTLINE_SINK__SCORES": f"file:{scores}",
        "DRIFTLINE_SINK__LATE": f"file:{scores.with_name('late.jsonl')}",
        "DRIFTLINE_LOG__LEVEL": "warning",
    }
    return with_settings(settings) | {BEGAN: task.began}


def _driftline(
    events: Sequence[Event], shape: Shape, folder: Path, limit_s: float, settings: dict[str, str]
) -> Ran:
    task = task_in(folder, shape)
    write_file(Path(task.input), 0, events)
    scores = Path(task.output) / "scores.jsonl"
    log, ran = scores.with_name("flow.log"), Ran()
    env = settings_of(task, f"file:{task.input}/*.jsonl", scores) | settings
    with started(FLOW_COMMAND, env, log) as process, sampled([process.pid], ran):
        ran.complete = until(process, log, Path(task.output), None, limit_s)
    ran.windows = read_scores(scores)
    if ran.windows:
        ran.seconds = scores.stat().st_mtime - float(Path(task.began).read_text())
    return ran
