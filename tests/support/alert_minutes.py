"""Alerts of windows of a minute, one after the other."""

from typing import Any

from dataflow.alert.alerts import Alerts
from dataflow.items.judged import Passed
from dataflow.items.likeness import UNMARKED, Likeness
from dataflow.settings import Alert, Window, duration
from tests.support.judged import MINUTE, Seen, Unusual, judged
from tests.support.plain import stored

WINDOW = Window(kind="tumbling", length=duration("1m"), allowed_lateness=duration("1h"))


class Run:
    """Windows of a minute of one key group, one after the other."""

    def __init__(self, likeness: Likeness = UNMARKED, **fields: Any) -> None:
        self.options = Alert(history=duration("0s"), radius=0.5).model_copy(update=fields)
        self.likeness = likeness
        self.alerts, self.emissions = Alerts(self.options, WINDOW, 1, likeness=likeness), 0

    def restart(self) -> None:
        """Go on from the state that the recovery store has."""
        self.alerts = Alerts(self.options, WINDOW, 1, stored(self.alerts.snapshot()), likeness=self.likeness)

    def minute(
        self, end: int, late: bool = False, rows: int = 100, **keys: list[Unusual]
    ) -> list[dict[str, Any]]:
        start, stop = (end - 1) * MINUTE, end * MINUTE
        windows = {key: Seen(start, stop, events, rows, late) for key, events in keys.items()}
        found = self.alerts.take("0", judged(self.emissions, windows))
        self.emissions += 1
        return found + self.alerts.take("0", Passed(self.emissions, stop))


def one(name: str, minute: int, anomaly: float, angle: float = 0.0) -> Unusual:
    return Unusual(name, minute * MINUTE - 1, anomaly, angle)
