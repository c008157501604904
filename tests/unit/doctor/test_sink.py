"""Whether sinks can be written; nothing is written."""

from pathlib import Path

import pytest

from dataflow.clock import EPOCH
from dataflow.doctor import Case, Finding
from dataflow.doctor.sink import findings
from dataflow.settings import Settings, Sink
from tests.support.delta_sinks import late, sink
from tests.support.webhooks import Receiver, settings


def examined(*uris: str) -> list[Finding]:
    sink = Sink(scores=uris, late=(), dead_letters=())
    return findings(Case(Settings(sink=sink), None, False, EPOCH))


def test_files_that_can_be_written_are_ok_and_untouched(tmp_path: Path) -> None:
    old = tmp_path / "old.jsonl"
    old.write_text("a row")
    (tmp_path / "old.parquet").mkdir()
    names = ("old.jsonl", "new/deep/new.jsonl", "old.parquet", "new.parquet")
    assert [finding.status for finding in examined(*(str(tmp_path / name) for name in names))] == ["ok"] * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.jsonl", "old.parquet"]
    assert old.read_text() == "a row"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("folder", "folder: is a folder"),
        ("file.parquet", "file.parquet: is a file, not a folder"),
        ("file.parquet/scores.jsonl", "file.parquet is not a folder"),
    ],
)
def test_a_path_that_cannot_be_written_is_wrong(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.parquet").touch()
    (finding,) = examined(str(tmp_path / name))
    assert (finding.check, finding.status) == ("sink.scores", "wrong")
    assert said in finding.message


def test_a_webhook_is_reached_and_gets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with Receiver() as receiver:
        wrong = settings(receiver.uri, spool="file")
        found = [of_alerts(settings(receiver.uri)), of_alerts(wrong), of_alerts(settings("http://{a}"))]
        assert not receiver.posts
    found.append(of_alerts(settings(receiver.uri)))
    assert [finding.status for finding in found] == ["ok", "wrong", "wrong", "unreachable"]
    assert "accepts connections; nothing was posted" in found[0].message
    assert "file is not a folder" in found[1].message
    assert "Connection refused" in found[3].message
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def of_alerts(options: Settings) -> Finding:
    (found,) = (each for each in findings(Case(options, None, False, EPOCH)) if each.check == "sink.alerts")
    return found


def test_tables_that_can_be_written_are_ok_and_untouched(tmp_path: Path) -> None:
    sink(tmp_path / "old").write_batch([late("a")])
    found = examined(f"delta:{tmp_path}/old", f"delta:{tmp_path}/new/deep")
    assert [finding.status for finding in found] == ["ok", "ok"]
    assert not (tmp_path / "new").exists()


def test_a_table_that_cannot_be_written_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "file/table"):
        (finding,) = examined(f"delta:{tmp_path}/{name}")
        assert (finding.status, name in finding.message) == ("wrong", True)


def test_each_sink_has_its_own_finding() -> None:
    found = [(finding.check, finding.status) for finding in examined("stdout:", "tape:")]
    assert found == [("sink.scores", "ok"), ("sink.scores", "wrong")]
