"""Tumbling and sliding windows equal a reference that keeps no state."""

from hypothesis import given

from dataflow.settings import Window
from tests.support.references import aligned, cuts, reference, spans, streams
from tests.support.windowing import Arrival, Harness, pieces, run, watermarks


@given(aligned, streams, cuts)
def test_aligned_windows_equal_the_reference(window: Window, arrivals: list[Arrival], at: list[int]) -> None:
    emitted = run(window, arrivals, at)
    expected, late = reference(window, arrivals)
    assert emitted.final() == expected
    assert set(emitted.late) == late
    assert all(by >= 0 for by in emitted.late.values())


@given(aligned, streams)
def test_the_first_emission_holds_what_came_in_time(window: Window, arrivals: list[Arrival]) -> None:
    emitted = run(window, arrivals)
    marks = watermarks(window, arrivals)
    for ref, rows in emitted.windows:
        start, end = ref.start // 1_000_000, ref.end // 1_000_000
        on_time = {i for i, a in enumerate(arrivals) if start <= a.ts < end and marks[i] < end}
        if ref.revision == 0 and on_time:
            assert set(rows) == on_time
        else:
            assert set(rows) > on_time or ref.revision > 0


@given(aligned, streams, cuts)
def test_a_window_comes_as_soon_as_the_watermark_is_at_its_end(
    window: Window, arrivals: list[Arrival], at: list[int]
) -> None:
    harness, due = Harness(window), set[int]()
    # One more event, to get the watermark after the last event.
    marks = watermarks(window, [*arrivals, Arrival(0)])
    for start, stop in pieces(len(arrivals), at):
        harness.push(arrivals[start:stop], start)
        for arrival, mark in zip(arrivals[start:stop], marks[start:stop], strict=True):
            due |= {end for _, end in spans(window, arrival.ts) if end > mark}
        emitted = {ref.end // 1_000_000 for ref, _ in harness.emitted().windows}
        assert {end for end in due if end <= marks[stop]} <= emitted
