"""The records and their offsets depend neither on the bounds of batches nor on where a reader stops."""

import gzip
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.decode.batch import check_format
from dataflow.settings import Settings
from dataflow.settings import Source as SourceSettings
from dataflow.source import open_source
from dataflow.source.batching import Backlog, records_in_batch
from dataflow.source.stdin import StdinSource

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
Records = list[tuple[int, bytes]]

lines = st.lists(st.sampled_from([b"", b"a", b'1,"x\ny"', b"b" * 50, b"c" * 300]), max_size=20)
data = st.tuples(lines, st.sampled_from([b"", b"\n"])).map(lambda drawn: b"\n".join(drawn[0]) + drawn[1])
bounds = st.fixed_dictionaries({"batch_rows": st.integers(1, 8), "batch_bytes": st.integers(1, 400)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    here = Path.cwd()
    folder = tmp_path_factory.mktemp("sources")
    os.chdir(folder)
    yield folder
    os.chdir(here)


def reader(name: str, state: int | None = None, **bounds: int) -> Any:
    settings = Settings(source=SourceSettings.model_validate({"uri": name, **bounds}))
    source: Any = open_source(settings, clock=lambda: NOW, check_format=partial(check_format, settings))
    return source.build_part("s", name, state)


def batches(part: Any, most: int = 1000) -> list[Records]:
    found: list[Records] = []
    try:
        for _ in range(most):
            for batch in part.next_batch():
                found.append(list(zip(batch["offset"].to_pylist(), batch["raw"].to_pylist(), strict=True)))
    except StopIteration:
        pass
    return found


def check(cut: list[Records], bounds: dict[str, int]) -> None:
    """Each batch is within the bounds, and the record after a batch would exceed its bounds."""
    for batch, following in zip_longest(cut, cut[1:]):
        size = sum(len(raw) for _, raw in batch)
        assert 1 <= len(batch) <= bounds["batch_rows"]
        assert len(batch) == 1 or size <= bounds["batch_bytes"]
        if following and len(batch) < bounds["batch_rows"]:
            assert size + len(following[0][1]) > bounds["batch_bytes"]


names = st.sampled_from(["a.log", "a.log.gz", "a.csv", "a.csv.gz"])


@given(names, data, bounds, bounds, st.integers(0, 25))
def test_a_file_gives_the_same_records_however_it_is_cut_and_resumed(
    folder: Path, name: str, data: bytes, first: dict[str, int], second: dict[str, int], stop: int
) -> None:
    if ".csv" in name:
        data = b"ts,text\n" + data
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    whole = [record for batch in batches(reader(name)) for record in batch]
    part = reader(name, **first)
    before = batches(part, stop)
    after = batches(reader(name, part.snapshot(), **second))
    part.close()
    assert [record for batch in before + after for record in batch] == whole
    check(before, first)
    check(after, second)


@given(data, bounds)
def test_standard_input_gives_the_same_records_however_it_is_cut(data: bytes, bounds: dict[str, int]) -> None:
    found: list[list[Records]] = []
    for bound in ({}, bounds):
        read, write = os.pipe()
        os.write(write, data)
        os.close(write)
        settings = Settings(source=SourceSettings.model_validate(bound))
        source = StdinSource(settings, "text", lambda: NOW, lambda *_: None, read)
        found.append(batches(source.build_part("s", "stdin", None)))
        os.close(read)
    whole, cut = found
    assert [record for batch in cut for record in batch] == [record for batch in whole for record in batch]
    check(cut, bounds)


@given(st.lists(st.integers(0, 500)), bounds)
def test_a_backlog_gives_all_it_took_and_is_full_only_for_a_whole_batch(
    sizes: list[int], bounds: dict[str, int]
) -> None:
    source = SourceSettings.model_validate(bounds)
    backlog = Backlog[int](source, lambda size: size)
    taken: list[int] = []
    for size in sizes:
        backlog.extend([size])
        if backlog.full:
            held = len(backlog)
            batch = backlog.take()
            assert len(batch) in (held, held - 1)
            taken += batch
    while len(backlog):
        taken += backlog.take()
    assert taken == sizes
    assert backlog.take() == []
    assert records_in_batch(sizes, source) >= min(1, len(sizes))
