"""Tumbling and sliding windows equal a reference that keeps no state."""

from hypothesis import given

from dataflow.settings import Window
from tests.support.references import aligned, cuts, reference, spans, streams, watermarks
from tests.support.windowing import Arrival, Stage, pieces, run


@given(aligned, streams, cuts)
def test_aligned_windows_equal_the_reference(window: Window, arrivals: list[Arrival], at: list[int]) -> None:
    emitted = run(window, arrivals, at)
    expected, late = reference(window, arrivals)
    assert emitted.final() == expected
    assert set(emitted.late) == late
    assert all(by >= 0 for by in emitted.late.values())


@given(aligned, streams, cuts)
def test_the_first_emission_holds_what_came_in_time(
    window: Window, arrivals: list[Arrival], at: list[int]
) -> None:
    marks = watermarks(window, arrivals)
    for key, windows in run(window, arrivals, at).windows.items():
        for ref, rows in windows:
            start, end = ref.start // 1_000_000, ref.end // 1_000_000
            on_time = {
                i for i, a in enumerate(arrivals) if a.key == key and start <= a.ts < end and marks[i] < end
            }
            if ref.revision == 0 and on_time:
                assert set(rows) == on_time
            else:
                assert set(rows) > on_time or ref.revision > 0


@given(aligned, streams, cuts)
def test_a_window_comes_as_soon_as_the_watermark_is_at_its_end(
    window: Window, arrivals: list[Arrival], at: list[int]
) -> None:
    """With the watermark of the stream, also the windows of keys that have no event in the batch."""
    stage = Stage(window)
    for start, stop in pieces(len(arrivals), at):
        stage.push(arrivals[start:stop], start)
        emitted = {
            (key, ref.end // 1_000_000)
            for key, windows in stage.emitted().windows.items()
            for ref, _ in windows
        }
        seen = arrivals[:stop]
        marks = watermarks(window, seen)
        for key in {arrival.key for arrival in seen}:
            # One more event, to get the watermark after the last event.
            now = watermarks(window, [*seen, Arrival(0, "p0", key)])[-1]
            due = {
                end
                for arrival, mark in zip(seen, marks, strict=True)
                if arrival.key == key
                for _, end in spans(window, arrival.ts)
                if mark < end <= now
            }
            assert {(key, end) for end in due} <= emitted
