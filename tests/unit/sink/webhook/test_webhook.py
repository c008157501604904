"""The sink: what is refused at the start, a full spool, restarts, an orderly stop."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import get_args

import pytest
from prometheus_client import REGISTRY

from dataflow.errors import SettingsError, SourceError
from dataflow.settings import Settings
from dataflow.sink import Stream, open_sink
from dataflow.sink.webhook import WebhookSink
from dataflow.sink.webhook.spool import lock, names, path_of
from tests.support.plain import stored
from tests.support.processes import wait_until
from tests.support.webhooks import Receiver, Reply, batch, identity, partition, row, settings


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.mark.parametrize("stream", [each for each in get_args(Stream) if each != "alerts"])
def test_only_alerts_are_posted(stream: Stream, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"sink\.{stream}=https://host/hook: only alerts are posted"):
        open_sink("https://host/hook", Settings(), stream=stream)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("process", "parts"), [("0", 1), ("1", 0)])
def test_the_first_process_of_a_cluster_posts(
    process: str, parts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["run", "flow", "-i", process, "-a", "a:1;b:1"])
    sink = open_sink("https://host/hook", settings("https://host/hook", spool=str(tmp_path)), stream="alerts")
    assert isinstance(sink, WebhookSink)
    assert len(sink.list_parts()) == parts


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    options = settings("https://host/hook", spool=str(tmp_path / "file" / "spool"))
    with pytest.raises(SourceError, match=r"webhook\.spool=.*: Not a directory"):
        open_sink("https://host/hook", options, stream="alerts")


def test_an_outage_holds_nothing_back_and_a_restart_posts_the_rest(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    options = settings(receiver.uri, spool=str(tmp_path), drain="0s")
    receiver.stop()
    sink = partition(options)
    sink.write_batch([batch(row("a")), batch(), batch(row("b"), row("a", 1))])
    state = stored(sink.snapshot())
    assert state["waiting"] == 3
    sink.close()
    assert "3 changes wait in the spool; the next start posts them" in caplog.text
    receiver.start()
    resumed = partition(settings(receiver.uri, spool=str(tmp_path)), state)
    resumed.write_batch([batch(row("b"), row("a", 1), row("a", 2))])
    resumed.close()
    assert sorted(map(identity, receiver.taken)) == [("a", 0), ("a", 1), ("a", 2), ("b", 0)]
    assert "not the spool of the last run" not in caplog.text


def test_a_spool_that_is_gone_is_reported(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    options = settings(receiver.uri, spool=str(tmp_path), drain="0s")
    for waiting, said in ((0, False), (3, True)):
        partition(options, {"spool": "gone", "waiting": waiting}).close()
        assert ("in which 3 changes waited; they are not posted" in caplog.text) == said


def test_changes_for_a_webhook_that_is_no_longer_named_are_reported(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.stop()
    old, new = (f"{receiver.uri}?{name}" for name in ("old", "new"))
    for uri in (old, new):
        sink = partition(settings(uri, spool=str(tmp_path), drain="0s"))
        sink.write_batch([batch(row())])
        sink.close()
    caplog.clear()
    open_sink(new, settings(f"{new} stdout:", spool=str(tmp_path)), stream="alerts")
    assert [getattr(record.msg, "name", "") for record in caplog.records] == ["webhook_spool_left"]
    assert f"1 changes wait for {old}, which the settings do not name" in caplog.text
    with lock(next(path_of(tmp_path, name) for name in names(tmp_path) if name != sink._name)):
        caplog.clear()
        open_sink(new, settings(f"{new} stdout:", spool=str(tmp_path)), stream="alerts")
        assert not caplog.records  # another flow posts them


def test_a_full_spool_holds_the_source_back_and_drops_nothing(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answer = lambda _: Reply(503)
    sink = partition(settings(receiver.uri, spool=str(tmp_path), spool_rows="2"))
    sink.write_batch([batch(row("a"), row("b"))])
    third = Thread(target=sink.write_batch, args=([batch(row("c"))],))
    third.start()
    wait_until(lambda: "so the flow waits for the receiver" in caplog.text)
    assert sink.snapshot()["waiting"] == 2
    receiver.answer = lambda _: Reply()
    third.join()
    sink.close()
    assert sorted(map(identity, receiver.taken)) == [("a", 0), ("b", 0), ("c", 0)]
    assert [getattr(record.msg, "name", "") for record in caplog.records].count("webhook_spool_full") == 1


def test_two_flows_cannot_post_from_one_spool(tmp_path: Path, receiver: Receiver) -> None:
    options = settings(receiver.uri, spool=str(tmp_path))
    sink = partition(options)
    with pytest.raises(SourceError, match="another flow posts from this spool"):
        partition(options)
    sink.close()
    partition(options).close()


def test_metrics(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answer = lambda post: Reply({"a": 200, "b": 400}.get(identity(post)[0], 503))
    options = settings(receiver.uri, spool=str(tmp_path), drain="0s")
    sink = partition(options)

    def value(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(f"driftline_webhook_{name}", {"webhook": sink._name, **labels})

    assert (value("waiting"), value("refused"), value("waiting_seconds")) == (0, 0, 0)
    sink.write_batch([batch(row("a"), row("b"), row("c"))])
    wait_until(lambda: value("refused") == 1 and value("posts_total", result="failed"))
    assert value("posts_total", result="taken") == 1
    assert value("posts_total", result="refused") == 3
    assert value("waiting") == 1
    assert (value("waiting_seconds") or 0) > 0
    sink.close()
    assert value("waiting") is None


def test_no_file_and_no_line_holds_a_secret(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    uri = f"{receiver.uri}/{{path}}#format=pagerduty&routing_key={{pd}}&header=X:{{header}}"
    words = {"path": "s3cr3t1", "pd": "s3cr3t2", "header": "s3cr3t3"}
    secrets = " ".join(f"{name}={value}" for name, value in words.items())
    receiver.answer = lambda post: Reply(400, body=str([post, "s3cr3t1"]).encode())
    sink = partition(settings(uri, spool=str(tmp_path), secrets=secrets))
    sink.write_batch([batch(row())])
    sink.close()
    assert all(word in str(receiver.posts) for word in words.values())
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"{pd}" in kept
    assert b"s3cr3t" not in kept
    assert "s3cr3t" not in caplog.text
