"""The benchmarks of the window stage run, and both candidates do the same work."""

import sys

import pytest

from benchmarks import state, windows
from benchmarks.kit.stages import objects
from dataflow.items.embedding import Store


@pytest.mark.parametrize("overlap", [1, 10])
def test_both_candidates_emit_the_same_rows(overlap: int) -> None:
    batches, options = windows.events(2000, keys=2), windows.sliding(overlap)
    items = objects(batches)
    emitted = {
        windows.ours(batches, options, len),
        windows.ours(batches, options, windows.matrices_of),
        windows.theirs(items, options, len),
        windows.theirs(items, options, windows.stacked),
    }
    assert emitted == {2000 * overlap}


def test_every_question_has_an_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["windows", "--events", "300", "--runs", "1"])
    windows.main()
    # A table for each, and that of all figures.
    assert capsys.readouterr().out.count("\n\n|") == len(windows.QUESTIONS) + 1


def test_an_unknown_question_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["windows", "speed"])
    with pytest.raises(SystemExit):
        windows.main()
    assert "unknown question 'speed'; the questions are peer, overlap, keys" in capsys.readouterr().err


@pytest.mark.parametrize(("store", "embedding"), [("fp32", 1536), ("fp16", 768)])
def test_the_state_holds_what_a_window_needs_and_little_more(store: Store, embedding: int) -> None:
    found = state.measure(1000, store)
    assert found.embedding == embedding < found.snapshot < embedding + 200
    # What a row needs is that of a row of a small batch, where bits and offsets are rounded up.
    assert 0.999 * found.needed <= found.held < 1.5 * found.needed
