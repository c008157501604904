"""What the Bytewax logics of the chunks add: which messages follow, and when a logic is discarded."""

import pytest
from prometheus_client import REGISTRY

from dataflow.errors import LostRowsError
from dataflow.items.windows import KeyWindow, WindowRef
from dataflow.telemetry.watch import UNWATCHED
from dataflow.window.logics import AssembleLogic, Common, KeepLogic, Loading, ReadLogic
from dataflow.window.messages import Append, Drop, Extent, Gather, Gone, Part, Recall, Replace, Trim
from tests.support.window_items import S
from tests.support.windowing import Arrival, at, batch, spec

WINDOW = KeyWindow(WindowRef(0, 10 * S, 0))
COMMON = Common(spec(), lambda: at(0), UNWATCHED, (), Loading(lambda: at(0)))


def test_a_stored_chunk_tells_the_reader_of_changes_and_ends_with_the_drop() -> None:
    logic = KeepLogic(COMMON, None)
    assert logic.on_batch([Append(0, batch([Arrival(1), Arrival(2)]))]) == ([], False)
    messages, discard = logic.on_batch([Trim(0, {None: [Extent(2 * S, 9 * S)]}, 1), Recall(0)])
    assert [type(message) for message in messages] == [Replace, Replace]
    assert not discard
    written = REGISTRY.get_sample_value("driftline_snapshot_bytes_total")
    assert written is not None
    state = logic.snapshot()
    size = len(state["rows"]) + len(state["vectors"])
    assert REGISTRY.get_sample_value("driftline_snapshot_bytes_total") == written + size
    assert logic.on_batch([Drop(0)]) == ([Gone()], True)


def test_a_reader_is_discarded_when_the_chunk_is_dropped_in_both_halves() -> None:
    logic = ReadLogic(COMMON, None)
    gather = Gather(0, 0, WINDOW, parts=1, rows=1)
    parts, discard = logic.on_batch([Append(0, batch([Arrival(1)])), gather, Drop(0)])
    assert [type(part) for part in parts] == [Part]
    assert not discard
    assert logic.on_batch([Gone()]) == ([], True)


def test_an_assembly_is_discarded_when_its_windows_are_whole() -> None:
    logic = AssembleLogic(COMMON, None)
    part = Part(0, WINDOW, parts=2, rows=[], arrival_us=None)
    assert logic.on_batch([part]) == ([], False)
    with pytest.raises(LostRowsError, match="1 of 2 parts"):
        logic.snapshot()
    whole, discard = logic.on_batch([part])
    assert len(list(whole)) == 1
    assert discard
