"""Marks stay with a batch when its rows change."""

from dataflow.items.marks import Marked
from tests.support.batches import events


def test_other_rows_keep_the_marks() -> None:
    rows = events(["a", "b"])
    marked = Marked(rows, arrival_us=5, trace="00-trace-span-01")
    fewer = marked.with_rows(rows.slice(1))
    assert fewer == Marked(rows.slice(1), arrival_us=5, trace="00-trace-span-01")
    assert (len(marked), len(fewer)) == (2, 1)
