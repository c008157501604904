"""What the benchmarks share: the streams are what they say, and the candidates take turns."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from benchmarks.kit import measure, processes
from benchmarks.kit.measure import Took
from benchmarks.kit.stages import objects
from benchmarks.kit.streams import START_US, stream
from dataflow.items.embedding import embeddings
from dataflow.items.schemas import embedded_schema


def joined(batches: list[pa.RecordBatch]) -> pa.Table:
    return pa.Table.from_batches(batches).combine_chunks()


def test_a_stream_has_its_rate_keys_and_batches() -> None:
    batches = stream(1000, dim=8, events_per_second=8, keys=3, batch_rows=300)
    assert [len(batch) for batch in batches] == [300, 300, 300, 100]
    assert all(batch.schema == embedded_schema(8) for batch in batches)
    rows = joined(batches)
    assert rows["ts"].cast(pa.int64()).to_pylist() == [START_US + i * 125_000 for i in range(1000)]
    assert rows["offset"].to_pylist() == list(range(1000))
    assert sorted(Counter(rows["key"].to_pylist()).values()) == [333, 333, 334]
    assert pc.count_distinct(rows["text"]).as_py() == 1000


def test_jitter_disorders_a_stream_by_no_more_than_it_says() -> None:
    ts = joined(stream(500, dim=2, events_per_second=8, jitter_s=3))["ts"].cast(pa.int64()).to_pylist()
    assert ts != sorted(ts)
    assert sorted(ts) == [START_US + i * 125_000 for i in range(500)]
    highest = ts[0]
    for each in ts:
        highest = max(highest, each)
        assert highest - each <= 3_000_000


def test_equal_texts_have_equal_embeddings() -> None:
    (batch,) = stream(500, dim=4, events_per_second=8, texts=5)
    vectors = {
        (text, vector.tobytes())
        for text, vector in zip(batch["text"].to_pylist(), embeddings(batch), strict=True)
    }
    assert len(vectors) == len(set(batch["text"].to_pylist())) == 5


def test_both_candidates_for_windows_get_the_same_events() -> None:
    batches = stream(50, dim=4, events_per_second=8, keys=2, batch_rows=20)
    items = [item for batch in objects(batches) for item in batch]
    rows = joined(batches)
    assert [key for key, _ in items] == rows["key"].to_pylist()
    assert [ts for _, (ts, _) in items] == rows["ts"].to_pylist()
    assert [vector.tolist() for _, (_, vector) in items] == rows["embedding"].to_pylist()


@pytest.mark.parametrize(("warm_up", "rounds"), [(False, 2), (True, 3)])
def test_candidates_take_turns_and_the_warm_up_does_not_count(warm_up: bool, rounds: int) -> None:
    order: list[str] = []
    cpu = iter(range(100))
    taken = measure.race(
        2,
        {"a": lambda: order.append("a"), "b": lambda: order.append("b")},
        cpu_seconds=lambda: float(next(cpu)),
        warm_up=warm_up,
    )
    assert order == ["a", "b"] * rounds
    assert {name: [took.cpu for took in runs] for name, runs in taken.items()} == {"a": [1, 1], "b": [1, 1]}


def test_a_median_is_taken_of_wall_and_cpu_apart() -> None:
    assert measure.medians({"a": [Took(1, 9), Took(2, 7), Took(3, 8)]}) == {"a": Took(2, 8)}


def test_a_table_is_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    measure.table("T", ("a", "b"), [(1, "x")])
    assert capsys.readouterr().out == "\nT\n\n| a | b |\n| --- | --- |\n| 1 | x |\n"


def test_a_process_that_ends_while_memory_is_counted_counts_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/status").write_text("Name:\tx\nRssAnon:\t     12 kB\n")
    group = [(tmp_path / "ended", [""]), (tmp_path / "there", [""])]
    monkeypatch.setattr(processes, "_group", lambda leader: iter(group))
    assert processes.anonymous_bytes(1) == 12 * 1024


def test_a_process_or_a_thread_that_ends_while_cpu_time_is_counted_counts_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def process(name: str, *threads: str) -> Path:
        for thread in threads:
            (tmp_path / name / "task" / thread).mkdir(parents=True)
            (tmp_path / name / "task" / thread / "schedstat").write_text("2000000000 7 3\n")
        (tmp_path / name / "cmdline").write_bytes(b"python3\0/models/tokenizer/1/model.py\0")
        return tmp_path / name

    read_text = Path.read_text

    def read(path: Path, *args: Any, **options: Any) -> str:
        if path.parent.name == "ended":
            raise ProcessLookupError(path)  # what the kernel says of a thread that ends after `open`
        return read_text(path, *args, **options)

    monkeypatch.setattr(Path, "read_text", read)
    paths = [tmp_path / "ended", process("there", "1", "ended", "3"), process("more", "4")]
    monkeypatch.setattr(processes, "_group", lambda leader: ((path, [""]) for path in paths))
    assert processes.cpu_by_program(1) == {"tokenizer": 6.0}

    def threads(path: Path, pattern: str) -> Iterator[Path]:
        raise FileNotFoundError(path)  # it ended after its command was read

    monkeypatch.setattr(Path, "glob", threads)
    assert processes.cpu_by_program(1) == {"tokenizer": 0.0}
