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
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, SlidingWindower, TumblingWindower
from bytewax.run import cli_main

from benchmarks.peers.programs.engine_work import TASK, NullEmbedder, scored

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
LENGTH, SLIDE = timedelta(seconds=TASK["length_s"]), timedelta(seconds=TASK["slide_s"])
embedder = NullEmbedder()


def decode(line: str) -> tuple[str, dict[str, Any]]:
    event = orjson.loads(line)
    return event["key"], event


def embed(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "embedding": embedder.embed(event["text"])}


def time_of(event: dict[str, Any]) -> datetime:
    return EPOCH + timedelta(milliseconds=event["ts"])


def score(key_window: tuple[str, tuple[int, list[dict[str, Any]]]]) -> tuple[str, str]:
    key, (window, events) = key_window
    ids, vectors = zip(*((event["id"], event["embedding"]) for event in events), strict=True)
    return key, scored(key, window * TASK["slide_s"] * 1000, ids, vectors)


flow = Dataflow("engine")
lines = op.input("read", flow, DirSource(Path(TASK["input"]), batch_size=1000))
events = op.map_value("embed", op.map("decode", lines, decode), embed)
clock = EventClock(time_of, wait_for_system_duration=timedelta(seconds=TASK["delay_s"]))
windower = (
    TumblingWindower(LENGTH, EPOCH) if LENGTH == SLIDE else SlidingWindower(LENGTH, SLIDE, align_to=EPOCH)
)
windows = win.collect_window("window", events, clock, windower)
op.output("write", op.map("score", windows.down, score), FileSink(Path(TASK["output"], "windows.jsonl")))
cli_main(flow)
