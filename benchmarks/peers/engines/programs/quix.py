"""Windows with Quix Streams, as its documentation writes them: a hopping window that collects its events.

State and topics hold JSON, so an embedding is a text: the base64 of its numbers. A list of numbers takes
twice as long.
"""

import base64
from typing import Any

from quixstreams import Application
from quixstreams.sinks.community.file.local import LocalFileSink

from benchmarks.peers.engines.programs.work import TASK, NullEmbedder, note_late, scored

embedder = NullEmbedder()


def embed(event: dict[str, Any]) -> dict[str, Any]:
    vector = embedder.embed(event["text"])
    return {"id": event["id"], "embedding": base64.b64encode(vector.tobytes()).decode()}


def score(window: dict[str, Any], key: str, timestamp: int, headers: Any) -> str:
    vectors = [base64.b64decode(event["embedding"]) for event in window["value"]]
    return scored(key, window["start"], [event["id"] for event in window["value"]], vectors)


def on_late(value: dict[str, Any], *where: Any) -> bool:
    if TASK["live"]:
        note_late(value["id"])
    return True  # the engine logs a warning


app = Application(
    broker_address=TASK["broker"],
    consumer_group="engine",
    auto_offset_reset="earliest",
    state_dir=TASK["state"],
    commit_interval=1.0 if TASK["live"] else 5.0,
    # The broker of the tests gives wrong offsets of the end of a topic, and the engine compares them with
    # those in its state. The folder with the state is there after a restart.
    use_changelog_topics=not TASK["live"],
)
topic = app.topic(
    TASK["input"],
    key_deserializer="str",
    timestamp_extractor=lambda value, headers, timestamp, kind: value["ts"],
)
embedded = app.dataframe(topic).apply(embed)
length, slide, delay = (TASK[name] * 1000 for name in ("length_s", "slide_s", "delay_s"))
if slide == length:
    windows = embedded.tumbling_window(length, grace_ms=delay, on_late=on_late)
else:
    windows = embedded.hopping_window(length, slide, grace_ms=delay, on_late=on_late)
collected = windows.collect().final(closing_strategy="partition")
collected.apply(score, metadata=True).sink(
    LocalFileSink(append=True, directory=TASK["output"], format="json")
)
app.run()
