"""The share of dead letters among the records of a partition."""

import itertools
import re
from collections.abc import Sequence
from datetime import datetime, timezone

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.decode import dead_letter_rate
from dataflow.decode.dead_letter_rate import RECORDS, DeadLetterRate
from dataflow.errors import DeadLettersError, SettingsError
from dataflow.items.schemas import dead_letters, raw_schema
from dataflow.settings import load
from dataflow.source.batching import raw_batch

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)


def check(rate: DeadLetterRate, dead: Sequence[bool], start: int = 0, partition: str = "p") -> None:
    offsets = range(start, start + len(dead))
    raw: pa.RecordBatch = raw_batch([b"r"] * len(dead), offsets, partition, NOW, raw_schema("jsonl"))
    rows = [("bad_time", "m", partition, n, b"r") for n, each in zip(offsets, dead, strict=True) if each]
    rate.check(raw, dead_letters(rows))


@given(
    st.lists(st.booleans(), max_size=60),
    st.sampled_from([0, 0.2, 0.25, 0.5, 0.9]),
    st.lists(st.integers(1, 20), min_size=1),
)
def test_batches_do_not_matter(dead: list[bool], most: float, sizes: list[int]) -> None:
    """The first record at which the share of the last five records is too high, in any batches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dead_letter_rate, "RECORDS", 5)
        counts = {n: sum(dead[n - 4 : n + 1]) for n in range(4, len(dead))}
        expected = next(((n, count) for n, count in counts.items() if count / 5 > most), None)
        rate, start, found = DeadLetterRate(most), 0, None
        for size in itertools.cycle(sizes):
            if start >= len(dead) or found:
                break
            try:
                check(rate, dead[start : start + size], start)
            except DeadLettersError as error:
                match = re.search(r"(\d+) of 5 records up to offset (\d+) are", str(error))
                assert match
                found = int(match[2]), int(match[1])
            start += size
        assert found == expected


def test_each_partition_has_its_own_share_and_too_few_records_say_nothing() -> None:
    rate = DeadLetterRate(0.5)
    for partition in ("p", "q"):
        check(rate, [True] * (RECORDS - 1), partition=partition)
    with pytest.raises(DeadLettersError, match="1000 of 1000 records") as caught:
        check(rate, [True], RECORDS, "q")
    assert str(caught.value).startswith(f"q: 1000 of 1000 records up to offset {RECORDS} are dead")
    assert "\n" not in str(caught.value)


def test_without_a_rate_nothing_is_counted() -> None:
    check(DeadLetterRate(None), [True] * 5000)


@pytest.mark.parametrize("rate", ["1", "-0.1", "half"])
def test_a_rate_that_is_none_is_refused(rate: str) -> None:
    with pytest.raises(SettingsError, match="MAX_DEAD_LETTER_RATE"):
        load({"DRIFTLINE_SOURCE__MAX_DEAD_LETTER_RATE": rate})
