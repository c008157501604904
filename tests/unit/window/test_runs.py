"""How many events can be added at once: until a window fires, or until lateness depends on events before."""

import numpy as np

from dataflow.window.aligned import Aligned
from dataflow.window.assigner import Assigner, Pane
from dataflow.window.runs import Timeline, run_length
from dataflow.window.session import Sessions


def length(assigner: Assigner, ts: list[int], watermark: int = -100) -> int:
    """The length of the first run of events in one partition without delay, ``watermark`` before them."""
    after = np.maximum.accumulate(np.maximum(ts, watermark))
    before = np.concatenate(([watermark], after[:-1]))
    events = Timeline(np.array(ts), before, after, assigner.may_be_late(np.array(ts), before))
    return run_length(events, assigner, fired_until=watermark)


def tumbling(*held: Pane, lateness: int = 0) -> Aligned:
    """Windows of 10; ``held`` are the panes that hold rows."""
    return Aligned(10, 10, 0, lateness, lambda: held)


def test_a_run_goes_on_while_no_window_ends() -> None:
    assert length(tumbling(), [1, 5, 3, 9]) == 4


def test_a_run_ends_with_the_event_that_ends_a_window() -> None:
    assert length(tumbling(), [1, 5, 12, 13]) == 3
    assert length(tumbling(Pane(0, 0)), [12, 13]) == 1


def test_a_run_ends_before_an_event_that_may_be_late_since_the_watermark_moved() -> None:
    # The rows at 25 and 26 open the window [20, 30), which no event ends; 5 is behind the watermark.
    assert length(tumbling(), [25, 26, 5, 27], watermark=20) == 2


def test_events_that_were_late_before_the_run_are_in_the_run() -> None:
    assert length(tumbling(), [5, 6, 7], watermark=20) == 3


def test_a_revised_window_fires_as_soon_as_the_watermark_moves() -> None:
    assert length(tumbling(lateness=100), [5, 18, 25, 26], watermark=15) == 2
    assert length(tumbling(lateness=100), [5, 6, 14], watermark=15) == 3


def test_an_event_behind_the_watermark_is_a_run_of_its_own_for_sessions() -> None:
    assert length(Sessions(10, 100), [5, 6, 16], watermark=15) == 1
    assert length(Sessions(10, 100), [16, 17, 6], watermark=15) == 2
