"""The source of a send, beside the contract of all sources."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dataflow.clock import utc_now
from dataflow.errors import SettingsError, SourceError
from dataflow.settings import Settings, Sink
from dataflow.settings import Source as SourceSettings
from dataflow.source import open_source
from dataflow.source.dead_letters.selection import Record, Selection

CSV = '{"format":"csv","header":"ts,text"}'


def nothing(*_: Any) -> None:
    """Every format is right."""


def made(folder: Path, *records: Record, inputs: tuple[str, ...] = ()) -> str:
    with closing(Selection(folder, create=True)) as selection, selection.change():
        send = selection.begin(state="running", append=False, inputs=inputs)
        for each in records:
            selection.add(send, each)
    return f"dead_letters:{folder}?send={send}"


def opened(uri: str, check: Callable[..., None] = nothing, **sinks: tuple[str, ...]) -> Any:
    settings = Settings(source=SourceSettings(uri=uri), sink=Sink.model_validate(sinks))
    return open_source(settings, clock=utc_now, check_format=check)


def test_a_batch_has_one_format_and_all_that_the_record_had(tmp_path: Path) -> None:
    records = [
        Record(
            "p",
            number,
            number,
            CSV if number == 1 else '{"format":"text"}',
            b"",
            b"%d" % number,
            5,
            b"k",
            7,
            '{"trace":"7"}',
        )
        for number in range(3)
    ]
    checked: list[Any] = []
    source = opened(made(tmp_path, *records), lambda *asked: checked.append(asked))
    with closing(source.build_part("s", "p", None)) as part:
        batches = [batch for _ in range(3) for batch in part.next_batch()]
        assert part.position() == 2
        with pytest.raises(StopIteration):
            part.next_batch()
    assert sorted(checked, key=str) == [("csv", b"ts,text"), ("text", None)]
    assert [batch.column("raw").to_pylist() for batch in batches] == [[b"0"], [b"1"], [b"2"]]
    assert batches[1].schema.metadata == {b"format": b"csv", b"header": b"ts,text"}
    row = batches[2].to_pylist()[0]
    assert (row["offset"], row["message_key"], row["message_headers"]) == (2, b"k", '{"trace":"7"}')
    assert [batches[2].column(name)[0].value for name in ("arrival", "message_ts")] == [5, 7]


def test_no_sink_may_begin_a_new_file_in_place_of_the_letters(tmp_path: Path) -> None:
    letters = tmp_path / "dead.jsonl"
    letters.touch()
    (tmp_path / "link").symlink_to(letters)
    part = tmp_path / "late.parquet" / "part-0.parquet"
    uri = made(tmp_path / "replay", inputs=(str(letters), str(part)))
    for sinks in (
        {"dead_letters": (f"file:{letters}",)},
        {"scores": ("stdout:", f"file:{tmp_path}/link")},
        {"late": (f"file:{part.parent}",)},
    ):
        with pytest.raises(SettingsError, match="has the dead letters that are replayed; name another file"):
            opened(uri, **sinks)
    opened(uri, scores=(f"file:{tmp_path}/other.jsonl",))


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("dead_letters:", "write dead_letters:FOLDER"),
        ("dead_letters:{}", "write dead_letters:FOLDER"),
        ("dead_letters:{}?send=x", "write dead_letters:FOLDER"),
        ("dead_letters:{}?send=9", "send 9 does not exist"),
        ("dead_letters:{}?send=1", "send 1 is done"),
    ],
)
def test_a_mistake_in_the_uri_is_one_line(tmp_path: Path, uri: str, says: str) -> None:
    made(tmp_path)
    with closing(Selection(tmp_path)) as selection:
        selection.finish(1, [])
    with pytest.raises(SettingsError, match=says):
        opened(uri.format(tmp_path))


def test_a_folder_without_a_replay_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no replay"):
        opened(f"dead_letters:{tmp_path}?send=1")
    assert list(tmp_path.iterdir()) == []
