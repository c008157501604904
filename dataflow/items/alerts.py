"""The Arrow schema of alerts."""

import pyarrow as pa

from dataflow.items.schemas import TIMESTAMP

#: The version of ``ALERT``. A change of a column increases it.
ALERT_FORMAT = 4

#: What an incident is about: unusual events, or a window that differs from what came before.
ALERT_KINDS = ("events", "drift")

#: What may have happened to an incident. The set is closed, because the state is a label of a metric.
ALERT_STATES = (
    "open",
    "updated",
    "closed",
    "reopened",
    "merged",
    "withdrawn",
    "provisional",
    "confirmed",
)

#: The states of an incident that is over. It may be open again after ``closed``.
OVER = ("closed", "merged", "withdrawn", "confirmed")

_EXAMPLE = [
    pa.field("id", pa.string(), nullable=False),
    pa.field("ts", TIMESTAMP, nullable=False),
    pa.field("text", pa.string(), nullable=False),
    pa.field("anomaly", pa.float64()),
    pa.field("nearest", pa.string()),
    pa.field("nearest_ts", TIMESTAMP),
    pa.field("explanation", pa.string()),
]

#: Alerts: one row for each change of an incident. ``incident`` and ``sequence`` (0, 1, 2, ...) identify the
#: row. ``state``: one of :data:`ALERT_STATES`. ``decided``: the event time of the decision, which is the end
#: of a window. ``window_start``, ``window_end``: the last window with an event of the incident. ``first_ts``,
#: ``last_ts``: the times of the first and the last event. ``count``: the events. ``peak``: the highest
#: ``anomaly`` of an event. ``p_value``: its p-value. ``threshold``: the lowest ``anomaly`` that alerted in
#: this window. ``cluster``: the cluster of the event with the peak, in the window where it opened the
#: incident. ``merged_into``: the incident that goes on, if the state is ``merged`` or ``confirmed``.
#: ``examples``: the events with the highest ``anomaly``; ``nearest``: the most similar earlier event, see
#: ``EXPLANATION``. ``message``: the incident in words.
#:
#: ``event_ids``: the ids of the events that joined the incident since its row before, the highest ``anomaly``
#: first, up to 1,000 and 100,000 characters. ``left_ids``: the ids of the events that left it since, because
#: late events changed a window. ``unnamed``: how many of ``count`` are in no ``event_ids``. If the state is
#: ``merged``, the events of the incident are those of ``merged_into`` from now on. So the ``event_ids`` of an
#: incident and of those that merged into it, without ``left_ids``, are all its events if ``unnamed`` is 0.
#:
#: ``budget_per_day``: how many new incidents a day ``alert.budget`` allows; null with ``alert.alpha``.
#: ``budget_of``: whose budget that is, ``stream`` or ``key``. ``realised_per_day``: how many new incidents
#: took from this budget in the 24 hours up to ``decided``. All three are null if ``kind`` is ``drift``.
#:
#: The first row of a provisional incident has the state ``provisional``, and the last one ``confirmed`` or
#: ``withdrawn``; its ``cluster`` is -1, and ``decided`` of the first row is the time of the event.
#:
#: ``kind``: one of :data:`ALERT_KINDS`. If it is ``drift``, an incident has windows in place of events:
#: ``first_ts``, ``last_ts``: the start of the first window, and the end of the last one; ``count``: the
#: windows; ``peak``: ``-log10`` of the lowest p-value, which is corrected for the tests of the window;
#: ``threshold``: the least ``peak`` that alerted; ``cluster``: -1; ``examples``: typical events;
#: ``event_ids`` and ``left_ids`` are empty, and ``unnamed`` is 0.
ALERT = pa.schema(
    [
        pa.field("format", pa.int32(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("incident", pa.string(), nullable=False),
        pa.field("sequence", pa.int32(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("decided", TIMESTAMP, nullable=False),
        pa.field("window_start", TIMESTAMP, nullable=False),
        pa.field("window_end", TIMESTAMP, nullable=False),
        pa.field("first_ts", TIMESTAMP, nullable=False),
        pa.field("last_ts", TIMESTAMP, nullable=False),
        pa.field("count", pa.int64(), nullable=False),
        pa.field("peak", pa.float64(), nullable=False),
        pa.field("p_value", pa.float64(), nullable=False),
        pa.field("threshold", pa.float64(), nullable=False),
        pa.field("cluster", pa.int32(), nullable=False),
        pa.field("merged_into", pa.string()),
        pa.field("examples", pa.list_(pa.struct(_EXAMPLE)), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("event_ids", pa.list_(pa.string()), nullable=False),
        pa.field("left_ids", pa.list_(pa.string()), nullable=False),
        pa.field("unnamed", pa.int64(), nullable=False),
        pa.field("budget_per_day", pa.float64()),
        pa.field("budget_of", pa.string()),
        pa.field("realised_per_day", pa.int64()),
    ]
)
