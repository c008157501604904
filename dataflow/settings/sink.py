"""Where each output stream goes."""

from dataflow.settings.group import Group
from dataflow.settings.values import Uris


class Sink(Group):
    """Where each output stream goes: one URI, or several URIs separated by blanks (``file:PATH.jsonl``,
    ``file:FOLDER.parquet``, ``kafka://HOST:PORT,.../TOPIC``, ``delta:PATH``, ``stdout:``,
    ``stderr:``; for alerts also ``https://...``). Empty: nowhere.
    """

    scores: Uris = ("stdout:",)
    """Sinks of the scored events: one row for each event and window."""

    alerts: Uris = ()
    """Sinks of the alerts: one row for each change of an incident. Empty: alerts are only
    counted.
    """

    drift: Uris = ()
    """Sinks of drift: one row for each window with ``drift.least_rows`` events or more."""

    late: Uris = ("stderr:",)
    """Sinks of the events that came too late for all their windows."""

    dead_letters: Uris = ("stderr:",)
    """Sinks of the records that could not become events, each with the reason."""

    windows: Uris = ()
    """Sinks of the window summaries: one row for each window."""

    embeddings: bool = False
    """Whether scored rows carry their embedding."""
