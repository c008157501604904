"""The command line of references, without a recovery store."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dataflow.errors import OutageError
from dataflow.items.pinned import pinned_schema
from dataflow.reference import __main__ as reference
from dataflow.settings import Embed


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The null embedder; and the loggers of the process as they were."""
    monkeypatch.setenv("DRIFTLINE_EMBED__KIND", "null")
    monkeypatch.setenv("DRIFTLINE_EMBED__DIM", "8")
    monkeypatch.setenv("DRIFTLINE_SCORE__REFERENCE_ROWS", "100")
    loggers = [logging.getLogger(), logging.getLogger("dataflow")]
    levels = [logger.level for logger in loggers]
    monkeypatch.setattr(loggers[0], "handlers", [])
    yield
    logging.captureWarnings(False)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def texts(folder: Path, number: int = 150) -> str:
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": f"text {n}"}) + "\n" for n in range(number)))
    return str(path)


def test_known_good_texts_are_embedded_saved_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "good.parquet"
    assert reference.main(["import", texts(tmp_path), str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: 100 texts\n"
    assert pq.read_table(out).schema.equals(pinned_schema(8))
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".unfinished"] == []
    assert reference.main(["show", str(out)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("all keys: 100 texts; no times\n")
    assert len(shown.splitlines()) == 9


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["import", "{texts}", "good.jsonl"], "good.jsonl: write the name of a .parquet file"),
        (["import", "{texts}", "no/such/good.parquet"], "no/such/good.parquet: cannot be written: "),
        (["import", "no.jsonl", "good.parquet"], "no.jsonl: cannot be read: No such file"),
        (["show", "delta:x"], "delta:x: a Delta table cannot be pinned yet"),
        (["show", "--store", "no"], "no: no such folder"),
        (["export", "--store", "{folder}", "good.parquet"], ": no recovery partition; make one with"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    words = [word.format(texts=texts(tmp_path), folder=tmp_path) for word in words]
    assert reference.main(words) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith("driftline: ")
    assert said in written.err
    assert written.err.count("\n") == 1


def test_a_server_that_does_not_answer_has_a_code_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(_: Embed) -> None:
        raise OutageError("the server is down")

    monkeypatch.setattr(reference, "open_embedder", opened)
    assert reference.main(["import", texts(tmp_path), str(tmp_path / "good.parquet")]) == 1
