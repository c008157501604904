"""The benchmark of a step change: the stream is what it says, and the shares are counted by window."""

from benchmarks.step_change import Share, shares, stream


def test_the_topic_comes_at_the_end_in_turns() -> None:
    events = stream(["a", "b", "c", "d"], ["X", "Y"])
    assert [event.line["text"] for event in events] == ["a", "b", "c", "X", "d", "Y"]
    assert [event.label for event in events] == [False, False, False, True, False, True]


def test_the_shares_of_each_window_begin_with_the_topic() -> None:
    events = stream(["a", "b", "c", "d"], ["X", "Y"])
    windows = [(0, "e0", 0.001), (0, "e1", None)]
    windows += [(1, "e2", 0.5), (1, "e3", 0.01), (2, "e4", 0.002), (2, "e3", 0.009), (2, "e5", 0.02)]
    rows = [{"window_start": str(start), "id": event, "p_value": p} for start, event, p in windows]
    assert shares(events, rows) == [Share("1", new=1.0, old=0.0), Share("2", new=0.5, old=1.0)]
