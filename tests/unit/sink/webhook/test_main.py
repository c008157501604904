"""The command line of the spools."""

from pathlib import Path

import pytest

from dataflow.sink.webhook.__main__ import main
from dataflow.sink.webhook.spool import Change, Spool, path_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two spools, each with a change that waits and one that is refused."""
    for name in ("a-1", "b-2"):
        spool = Spool(path_of(tmp_path, name), f"https://{name[0]}/hook")
        spool.add([Change("i", 0, b"{}"), Change("i", 1, b"{}")], 0)
        spool.refused(spool.waiting()[0][0], "status 400: no\ntext")
        spool.close()
    return tmp_path


def test_show(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--spool", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        line
        for name in ("a-1", "b-2")
        for line in (
            f"{name}: https://{name[0]}/hook: 1 changes wait, 1 are refused",
            rf"{name}: incident i sequence 0: status 400: no\x0atext",
        )
    ]


@pytest.mark.parametrize(("action", "waiting"), [("again", 2), ("drop", 1)])
def test_refused_changes_of_one_webhook(folder: Path, action: str, waiting: int) -> None:
    assert main([action, "b-2", "--spool", str(folder)]) == 0
    for name, expected in (("a-1", (1, 1)), ("b-2", (waiting, 0))):
        spool = Spool(path_of(folder, name))
        assert tuple(spool.counts().values()) == expected
        spool.close()


def test_the_folder_of_the_settings(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRIFTLINE_WEBHOOK__SPOOL", str(folder))
    assert main(["show", "a-1"]) == 0
    assert capsys.readouterr().out.startswith("a-1: https://a/hook")


def test_a_name_that_is_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "c", "--spool", str(folder)]) == 2
    assert "no spool of 'c'; there are a-1, b-2" in capsys.readouterr().err
