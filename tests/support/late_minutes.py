"""Minutes that late events emit again: some of their events begin to alert, some cease to."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tests.support.alert_minutes import Run, one

#: An event: its minute, its angle, and its anomaly in each emission of the minute.
Event = tuple[int, float, tuple[float, ...]]

minutes_of = st.lists(
    st.tuples(
        st.integers(1, 6),
        st.sampled_from([0.0, 25.0, 50.0, 80.0]),
        st.tuples(*[st.sampled_from([0.0, 2.5, 4.0])] * 3),
    ),
    max_size=14,
)
late_minutes = st.lists(st.integers(1, 6), max_size=10)


def rows_of(events: Sequence[Event], late: Sequence[int]) -> tuple[list[dict[str, Any]], set[str]]:
    """Rows of ``ALERT`` of the key ``k``, with a restart after each minute, and the ids of the events that
    alert in the end. ``late``: the minutes that are emitted again, in this order.
    """
    minutes = Run(alpha=0.01, least_anomaly=2.0)
    emitted, rows, now = Counter[int](), list[dict[str, Any]](), dict[str, float]()
    for at in (*range(1, 8), *late):
        of_event = {
            f"e{number}": (anomalies[min(emitted[at], 2)], angle)
            for number, (minute, angle, anomalies) in enumerate(events)
            if minute == at
        }
        now |= {id: anomaly for id, (anomaly, _) in of_event.items()}
        unusual = [one(id, at, *each) for id, each in of_event.items() if each[0] >= 2.0]
        rows += minutes.minute(at, late=emitted[at] > 0, k=unusual)
        emitted[at] += 1
        minutes.restart()
    rows += minutes.alerts.finish()
    return rows, {id for id, anomaly in now.items() if anomaly >= 2.0}
