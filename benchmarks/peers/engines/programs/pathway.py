"""Windows with Pathway, as its documentation writes them: ``windowby`` with a behaviour that gives each
window once.
"""

from typing import Any

import pathway as pw

from benchmarks.peers.engines.programs.work import TASK, NullEmbedder, scored

LENGTH, SLIDE, DELAY = (TASK[name] * 1000 for name in ("length_s", "slide_s", "delay_s"))
embedder = NullEmbedder()


class Event(pw.Schema):
    event: str
    key: str
    ts: int
    text: str


@pw.udf(deterministic=True)
def embed(text: str) -> bytes:
    vector: bytes = embedder.embed(text).tobytes()
    return vector


@pw.udf(deterministic=True)
def score(key: str, start: int, ids: Any, vectors: Any) -> str:
    return scored(key, start, ids, vectors)


events = pw.io.jsonlines.read(TASK["input"], schema=Event, json_field_paths={"event": "/id"})
embedded = events.select(pw.this.event, pw.this.key, pw.this.ts, embedding=embed(pw.this.text))
window = (
    pw.temporal.tumbling(duration=LENGTH, origin=0)
    if LENGTH == SLIDE
    else pw.temporal.sliding(hop=SLIDE, duration=LENGTH, origin=0)
)
collected = embedded.windowby(
    pw.this.ts,
    window=window,
    behavior=pw.temporal.exactly_once_behavior(shift=DELAY),
    instance=pw.this.key,
).reduce(
    key=pw.this._pw_instance,
    start=pw.this._pw_window_start,
    ids=pw.reducers.tuple(pw.this.event),
    vectors=pw.reducers.tuple(pw.this.embedding),
)
lines = collected.select(line=score(pw.this.key, pw.this.start, pw.this.ids, pw.this.vectors))
# The file is written anew at each start.
pw.io.jsonlines.write(lines, f"{TASK['output']}/windows-{TASK['start']}.jsonl")
kept = pw.persistence.Config(pw.persistence.Backend.filesystem(TASK["state"])) if TASK["live"] else None
pw.run(persistence_config=kept)
