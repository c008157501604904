"""Which events of a key alert in which windows, and the incident of each."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

#: The start and the end of a window.
Window = tuple[int, int]


class Gone(NamedTuple):
    """An event that alerts in no window any more. ``name``: its id; ``None``: no row named the event."""

    incident: str
    name: str | None


class Verdicts:
    """Events are known by the hashes of their ids. ``state`` is what :meth:`snapshot` returned."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        state = state or {"windows": (), "names": ()}
        #: Window -> the hash of each event that alerts in it -> the incident of the event.
        self._windows: dict[Window, dict[int, str]] = {
            (start, end): dict(events) for start, end, events in state["windows"]
        }
        #: Hash -> the id of an event that a row names.
        self._names: dict[int, str] = dict(state["names"])

    def __bool__(self) -> bool:
        return bool(self._windows)

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        windows = [(*window, list(events.items())) for window, events in self._windows.items()]
        return {"windows": windows, "names": list(self._names.items())}

    def owners(self) -> dict[int, str]:
        """The incident of each event that alerts in any window."""
        owners: dict[int, str] = {}
        for events in self._windows.values():
            owners |= events
        return owners

    def name(self, events: Iterable[int], ids: Iterable[str]) -> None:
        """Note that a row names events."""
        self._names |= zip(events, ids, strict=False)

    def move(self, one: str, other: str) -> None:
        """Give the events of the incident ``one`` to ``other``."""
        for events in self._windows.values():
            for event, incident in events.items():
                if incident == one:
                    events[event] = other

    def replace(self, window: Window, events: Mapping[int, str]) -> list[Gone]:
        """Note which events alert in ``window`` now. Returns those that alert in no window any more."""
        old = self._windows.pop(window, {})
        if events:
            self._windows[window] = dict(events)
        if not old:
            return []
        still = self.owners()
        gone = [Gone(old[event], self._names.pop(event, None)) for event in old if event not in still]
        return sorted(gone, key=lambda each: (each.incident, each.name or ""))

    def forget(self, before: int) -> None:
        """Forget the windows that ended before ``before``."""
        gone = [window for window in self._windows if window[1] < before]
        for window in gone:
            del self._windows[window]
        if gone:
            known = self.owners()
            self._names = {event: name for event, name in self._names.items() if event in known}
