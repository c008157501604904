"""Marks in the whole flow: people write them while it runs, and a replay decides the same."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.quality import run
from dataflow.embed.base import Embedded
from dataflow.embed.null import NullEmbedder
from dataflow.marks.append import append
from dataflow.settings import Settings, load
from tests.support.flows import ALERTING, START, environment, rows
from tests.support.marks import line

EVENTS = 900
#: Each backup that alerts is an incident of its own.
SHORT = {"DRIFTLINE_ALERT__CLOSE_AFTER": "5m", "DRIFTLINE_ALERT__COOL_DOWN": "0s"}
#: Event time of an event in seconds, and how often a backup comes.
PACE, BACKUPS = 12, 100
#: The mark is written while event ``WRITTEN`` is embedded, and counts from the time of event ``COUNTS`` on.
WRITTEN, COUNTS = 500, 600


def at(number: int) -> str:
    return (START + timedelta(seconds=PACE * number)).isoformat()


def write_events(folder: Path) -> None:
    """Usual texts of one key, and now and then six lines of a backup, which stand out."""
    rng, lines = np.random.default_rng(7), []
    for number in range(EVENTS):
        text = f"usual {rng.integers(40)}"
        if number >= 300 and number % BACKUPS < 6:
            text = f"backup {'abcdefghijkl'[number % BACKUPS]}"
        lines.append({"id": f"e{number}", "host": "a", "ts": at(number), "text": text})
    lines[WRITTEN]["text"] = "now"
    (folder / "0.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))


class Writes(NullEmbedder):
    """Appends ``lines`` to the marks at ``uri`` when it embeds the text ``now``. All backups have one
    embedding.
    """

    def __init__(self, uri: object, lines: str) -> None:
        super().__init__(8)
        self._uri, self._lines = str(uri), lines

    def embed(self, texts: Sequence[str]) -> Embedded:
        if "now" in texts and self._lines:
            append(self._uri, [json.loads(each) for each in self._lines.splitlines()], Settings())
        return super().embed([text.partition(" ")[0] if "backup" in text else text for text in texts])


def decided(folder: Path, embedder: NullEmbedder, batch: int, **more: str) -> tuple[list[Any], list[Any]]:
    """The alerts and the scores of a run."""
    for path in folder.glob("out/*"):
        path.unlink()
    sinks = {f"DRIFTLINE_SINK__{name}": "" for name in ("LATE", "DEAD_LETTERS")}
    sinks |= {"DRIFTLINE_SINK__ALERTS": f"file:{folder}/out/alerts.jsonl"}
    marks = {"DRIFTLINE_ALERT__MARKS": f"{folder}/marks/marks.jsonl"}
    size = {"DRIFTLINE_SOURCE__BATCH_ROWS": str(batch)}
    run(load(environment(folder, **ALERTING, **SHORT, **sinks, **size, **(marks | more))), embedder)
    alerts = sorted(
        rows(folder / "out/alerts.jsonl"), key=lambda row: (row["decided"], row["incident"], row["sequence"])
    )
    return alerts, rows(folder / "out/scores.jsonl")


def backups(alerts: list[Any]) -> list[str]:
    """When an incident with a backup was new."""
    return [
        row["decided"] for row in alerts if row["state"] == "open" and "backup" in row["examples"][0]["text"]
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "marks").mkdir()
    write_events(tmp_path)
    return tmp_path


@pytest.mark.parametrize("uri", ["{folder}/marks/marks.jsonl", "delta:{folder}/marks/table"])
def test_a_mark_that_is_written_while_the_flow_runs_counts_from_its_time_on(folder: Path, uri: str) -> None:
    uri, mark = uri.format(folder=folder), line("expected", "backup a", at(COUNTS))
    of_run = {"DRIFTLINE_ALERT__MARKS": uri, "DRIFTLINE_DELTA__POLL_INTERVAL": "0.000001s"}
    without = decided(folder, Writes(uri, ""), 20, **of_run)[0]
    live = decided(folder, Writes(uri, mark), 20, **of_run)[0]
    replayed = [decided(folder, Writes(uri, ""), size, **of_run)[0] for size in (EVENTS, 30)]
    assert replayed == [live, live]
    since = at(COUNTS).replace("+00:00", "Z")
    assert [each for each in backups(without) if each >= since]
    assert not [each for each in backups(live) if each >= since]
    assert [each for each in live if each["decided"] < since] == [
        each for each in without if each["decided"] < since
    ]


def test_what_is_real_never_becomes_usual(folder: Path) -> None:
    path, soon = folder / "marks/marks.jsonl", {"DRIFTLINE_SCORE__QUARANTINE": "10m"}
    usual = _novelty_of_the_last_backup(decided(folder, Writes(path, ""), 100, **soon)[1])
    path.write_text(line("real", "backup a", at(0)))
    real = _novelty_of_the_last_backup(decided(folder, Writes(path, ""), 100, **soon)[1])
    assert usual == 0
    assert real > 0.1


def _novelty_of_the_last_backup(scores: list[Any]) -> float:
    found = [row for row in scores if "backup" in row["text"]]
    return float(max(found, key=lambda row: (row["ts"], row["window_start"]))["novelty"])
