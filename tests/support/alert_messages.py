"""What key groups say to the alert stage of any streams, in any order."""

import random
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from dataflow.alert.alerts import Alerts
from dataflow.items.early import Early
from dataflow.items.judged import Judged, Passed
from dataflow.items.likeness import UNMARKED, Likeness
from dataflow.settings import Alert, Window, duration
from tests.support.judged import MINUTE, Seen, Unusual, judged
from tests.support.plain import stored

GROUPS, KEYS = 3, 4
#: Sliding windows of two minutes every minute.
WINDOW = Window(length=duration("2m"), slide=duration("1m"), key_groups=GROUPS)
Message = tuple[str, Judged | Passed | Early]
Row = dict[str, Any]

anomalies = st.sampled_from([0.0, 1.4, 2.0, 3.0, 5.0])
#: Events of all keys: (minute, key, anomaly in each of two windows, angle).
streams = st.lists(
    st.tuples(
        st.integers(0, 12), st.integers(0, KEYS - 1), anomalies, anomalies, st.sampled_from([0.0, 40.0, 80.0])
    ),
    max_size=25,
)


def messages(
    events: Sequence[tuple[int, int, float, float, float]], least: float = 1.3
) -> list[list[Message]]:
    """What each group says of a stream. Events with an anomaly of ``least`` or more stand out."""
    found: list[list[Message]] = []
    for group in range(GROUPS):
        said: list[Message] = []
        for end in range(1, 16):
            windows: dict[str, list[Unusual]] = {}
            for number, (minute, key, first, second, angle) in enumerate(events):
                if key % GROUPS == group and end - 2 <= minute < end:
                    anomaly = first if minute == end - 1 else second
                    mine = windows.setdefault(f"k{key}", [])
                    if anomaly >= least:
                        mine.append(Unusual(f"e{number}", minute * MINUTE, anomaly, angle))
            emission = sum(isinstance(message, Judged) for _, message in said)
            if windows:
                each = {key: Seen((end - 2) * MINUTE, end * MINUTE, mine) for key, mine in windows.items()}
                said.append((str(group), judged(emission, each)))
            said.append((str(group), Passed(emission + bool(windows), end * MINUTE)))
        found.append(said)
    return found


def interleaved(parts: list[list[Message]], rng: random.Random) -> list[Message]:
    waiting, found = [list(part) for part in parts], []
    while any(waiting):
        found.append(rng.choice([part for part in waiting if part]).pop(0))
    return found


def run(
    options: Alert,
    said: Sequence[Message],
    cuts: Sequence[int] = (),
    likeness: Callable[[], Likeness] = lambda: UNMARKED,
    before: Callable[[Message], None] = lambda _: None,
) -> list[Row]:
    """The rows, if the process restarts before the messages ``cuts``. ``before`` is called before each
    message.
    """
    alerts, rows = Alerts(options, WINDOW, GROUPS, likeness=likeness()), []
    for number, (group, message) in enumerate(said):
        if number in cuts:
            alerts = Alerts(options, WINDOW, GROUPS, stored(alerts.snapshot()), likeness=likeness())
        before((group, message))
        rows += alerts.take(group, message)
    return rows + alerts.finish()
