"""Each record of a rotated log comes once, whatever happens between two reads, and after any restart."""

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.plain import stored
from tests.support.rotated_logs import RotatedLog
from tests.support.sources import build, close_built, rows


def line(number: int) -> bytes:
    """A line as no other; a log has a time in each."""
    return hashlib.sha1(b"%d" % number).hexdigest()[:14].encode() + b"\n"


STEPS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 6)),
    st.tuples(st.just("cut"), st.integers(8, 13)),
    st.tuples(st.just("rename"), st.booleans()),
    st.tuples(st.just("truncate"), st.booleans()),
    st.tuples(st.just("read"), st.integers(1, 4)),
    st.tuples(st.just("keep"), st.just(0)),
    st.tuples(st.just("crash"), st.integers(0, 5)),
)


@given(steps=st.lists(STEPS, min_size=20, max_size=60), names=st.sampled_from(["app.log", "app.log*"]))
@settings(max_examples=60, deadline=None)
@pytest.mark.usefixtures("listed_at_once")
def test_each_record_comes_once_under_one_identity(steps: list[tuple[str, Any]], names: str) -> None:
    with TemporaryDirectory() as folder:
        log, uri = RotatedLog(Path(folder, "app.log")), f"tail:{folder}/{names}"
        name, number, rest = f"{folder}/{names}", 0, b""
        part = build(uri, name, batch_rows=3)
        seen: list[tuple[int, bytes]] = []
        kept: list[tuple[Any, int]] = [(None, 0)]
        for step, value in steps:
            if step == "write":
                for _ in range(value):
                    log.write(rest or line(number))
                    number, rest = number + 1, b""
            elif step == "cut" and not rest:
                log.write(line(number)[:value])
                rest = line(number)[value:]
            elif step in ("rename", "truncate"):
                (log.rename if step == "rename" else log.copy_and_truncate)(value)
            elif step == "read":
                seen += rows(part, value)
            elif step == "keep":
                kept.append((stored(part.snapshot()), len(seen)))
            elif step == "crash":
                state, count = kept[max(0, len(kept) - 1 - value)]
                if state is None and names == "app.log" and len(log.generations) > 1:
                    continue  # without a state, the logs that were rotated before are not read
                del kept[max(0, len(kept) - value) :], seen[count:]
                kept.append((state, count))
                part.close()
                part = build(uri, name, state, batch_rows=3)
        for _ in range(3 * len(log.generations) + 3):
            seen += rows(part, 5)
        close_built()
        assert seen == log.expected()
