"""The incidents of one key, window by window."""

from collections.abc import Sequence

from dataflow.alert.incidents import Incidents
from dataflow.alert.rules import Rules
from dataflow.alert.window_events import WindowEvents
from tests.support.judged import MINUTE, Seen, Unusual, judged

#: Two events are near if their angle is below 30 degrees.
RULES = Rules(
    radius=0.52,
    close_after=30 * MINUTE,
    cool_down=60 * MINUTE,
    examples=3,
    least=1.0,
    remember=20 * MINUTE,
)


class Key:
    """A key whose windows are decided one after the other."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.incidents, self.suppressed = Incidents("k", rules), 0
        #: The incidents that the last window changed, and what they merged into.
        self.rows: list[tuple[str, str | None]] = []
        #: By incident: the ids that its row names.
        self.joined: dict[str, tuple[str, ...]] = {}

    def window(
        self, end: int, *events: Unusual, room: int = 1000, model: str = "m 1", at: int = 0
    ) -> list[tuple[str, int]]:
        """Decide the window of ten minutes that ends at ``end``. Returns the state and the count of what has
        changed.
        """
        left = iter([True] * room)
        found = self.of(end, events, at or end)
        closed = self.incidents.pass_time(found.at)
        changed, suppressed, _ = self.incidents.take(
            found, model, lambda: next(left, False), [None] * len(found)
        )
        self.suppressed += suppressed
        self.rows = [(each.id, each.merged_into) for each in changed]
        self.joined = {each.id: each.joined for each in changed}
        for incident in changed:
            incident.sequence += 1
            incident.joined = incident.left = ()
        return [(each.state, each.count) for each in [*closed, *changed]]

    @staticmethod
    def of(end: int, events: Sequence[Unusual], at: int) -> WindowEvents:
        each = judged(0, {"k": Seen((end - 10) * MINUTE, end * MINUTE, events)})
        start, rows, vectors = (end - 10) * MINUTE, each.events, each.vectors
        return WindowEvents.of(at * MINUTE, start, end * MINUTE, 2.0, 100, rows, vectors)


def near(n: int, angle: float = 0.0, first: int = 0, anomaly: float = 3.0) -> list[Unusual]:
    return [Unusual(f"e{i}", i * 1000, anomaly, angle) for i in range(first, first + n)]
