"""Windows with Bytewax's own operators, as its documentation writes them: ``collect_window`` with an
``EventClock``.
"""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
import orjson
from bytewax.connectors.files import DirSource, FileSink
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.operators.windowing import EventClock, SlidingWindower, TumblingWindower
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from benchmarks.peers.engines.programs.work import TASK, NullEmbedder, note_late, scored

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
LENGTH, SLIDE = timedelta(seconds=TASK["length_s"]), timedelta(seconds=TASK["slide_s"])
embedder = NullEmbedder()


def decode(line: Any) -> tuple[str, dict[str, Any]]:
    event = orjson.loads(line.value if TASK["live"] else line)
    return event["key"], event


def embed(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "embedding": embedder.embed(event["text"])}


def time_of(event: dict[str, Any]) -> datetime:
    return EPOCH + timedelta(milliseconds=event["ts"])


def score(key_window: tuple[str, tuple[int, list[dict[str, Any]]]]) -> tuple[str, str]:
    key, (window, events) = key_window
    ids, vectors = zip(*((event["id"], event["embedding"]) for event in events), strict=True)
    return key, scored(key, window * TASK["slide_s"] * 1000, ids, vectors)


def source() -> Source[Any]:
    if TASK["live"]:
        return KafkaSource([TASK["broker"]], [TASK["input"]])
    return DirSource(Path(TASK["input"]), batch_size=1000)


def note(key_late: tuple[str, tuple[int, dict[str, Any]]]) -> None:
    note_late(key_late[1][1]["id"])


flow = Dataflow("engine")
lines = op.input("read", flow, source())
events = op.map_value("embed", op.map("decode", lines, decode), embed)
clock = EventClock(time_of, wait_for_system_duration=timedelta(seconds=TASK["delay_s"]))
windower = (
    TumblingWindower(LENGTH, EPOCH) if LENGTH == SLIDE else SlidingWindower(LENGTH, SLIDE, align_to=EPOCH)
)
windows = win.collect_window("window", events, clock, windower)
op.output("write", op.map("score", windows.down, score), FileSink(Path(TASK["output"], "windows.jsonl")))
if TASK["live"]:
    op.inspect("late", windows.late, lambda step, late: note(late))
    if not TASK["start"]:
        init_db_dir(Path(TASK["state"]), 1)
    cli_main(flow, epoch_interval=timedelta(seconds=1), recovery_config=RecoveryConfig(Path(TASK["state"])))
else:
    cli_main(flow)
