"""The log lines of the start, of a resume, and of new partitions."""

import atexit
import io
import logging
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from dataflow import startup
from dataflow.embed.null import NullEmbedder
from dataflow.recovery import store
from dataflow.recovery.resume_log import ResumeLog
from dataflow.recovery.store import Prepared
from dataflow.settings import BytewaxRun, Score, Settings
from dataflow.telemetry.logs import Line


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "dataflow")
    return caplog


def last(logged: pytest.LogCaptureFixture) -> Line:
    message: Any = logged.records[-1].msg
    assert isinstance(message, Line)
    return message


def test_the_start_names_the_settings_that_differ(logged: pytest.LogCaptureFixture) -> None:
    startup.log_start(Settings(), NullEmbedder(8))
    assert "all settings at their default" in last(logged)
    startup.log_start(Settings(score=Score(kind="knn")), NullEmbedder(8))
    assert last(logged).endswith("model null version 1, 8 dimensions; score.kind=knn")
    assert last(logged).fields["settings"] == {"score.kind": "knn"}
    startup.log_start(Settings(profile="logs", score=Score(evidence="sum")), NullEmbedder(8))
    assert last(logged).endswith("8 dimensions; profile=logs score.evidence=sum")


def test_a_flow_may_run_without_a_store() -> None:
    assert startup.prepare_store(BytewaxRun(None, ()), Settings(), None, NullEmbedder(8)) is None


@pytest.mark.parametrize(
    ("states", "removed", "model", "said"),
    [
        (0, 0, None, "the recovery store is empty; the flow begins at the start of the source"),
        (5, 0, "null 1", "the flow resumes at epoch 7 with 5 states of its recovery store"),
        (5, 2, "null 1", "2 snapshots of epochs that did not finish were removed"),
        (5, 0, "m 1", "rows that model m 1 embedded are embedded again when a window mixes models"),
    ],
)
def test_a_resume_logs_what_the_store_holds_and_keeps_its_lock(
    monkeypatch: pytest.MonkeyPatch,
    logged: pytest.LogCaptureFixture,
    tmp_path: Path,
    states: int,
    removed: int,
    model: str | None,
    said: str,
) -> None:
    at_exit: list[Any] = []
    monkeypatch.setattr(atexit, "register", at_exit.append)
    monkeypatch.setattr(store, "show_size", lambda _: None)
    resume_log = ResumeLog(lambda: (0, 0))
    lock, made_with = io.StringIO(), {"model": model} if model else {}
    prepared = Prepared(tmp_path, 1, 7, states, removed, made_with, lock, "s", frozenset())
    startup.resume(prepared, NullEmbedder(8), resume_log)
    assert said in last(logged)
    assert last(logged).fields == {"epoch": 7, "states": states, "removed": removed}
    resume_log.over()
    assert not lock.closed
    (release,) = at_exit
    release()
    assert lock.closed


def counted() -> float:
    return REGISTRY.get_sample_value("driftline_source_new_partitions") or 0


def test_new_partitions_are_named_and_the_flow_starts_again_if_it_may(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before, asked = counted(), []
    startup.on_new_partitions(lambda: asked.append(1))(["t:2", "t:3"])
    assert "the source has new partitions: t:2, t:3; the dataflow starts again" in caplog.text
    assert asked == [1]
    startup.on_new_partitions(None)(["u:1"])
    assert "u:1; stop the dataflow and start it again" in caplog.text
    assert counted() == before + 3
