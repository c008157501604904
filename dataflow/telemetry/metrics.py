"""Every Prometheus metric of the dataflow. docs/reference/metrics.md says what each metric means.

Bytewax serves these metrics and its own metrics at ``/metrics`` of its API
(``BYTEWAX_DATAFLOW_API_ENABLED=1``). A metric changes once for each batch, window or request, never once for
each row. All workers of a process share the metrics.
"""

from collections.abc import Iterator, Sequence
from threading import Lock

import numpy as np
import numpy.typing as npt
from prometheus_client import REGISTRY, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from dataflow.items.alerts import ALERT_STATES
from dataflow.items.drift import DRIFT_STATES
from dataflow.items.schemas import REASONS

# The metrics "*_created", which hold the start time of each series, would double the number of series.
disable_created_metrics()  # type: ignore[no-untyped-call]


class ArrayHistogram(Collector):
    """A histogram that takes arrays; a value alone costs a ``Histogram`` of the library a microsecond."""

    def __init__(self, name: str, documentation: str, buckets: Sequence[float]) -> None:
        self._name, self._documentation = name, documentation
        self._edges = np.array(buckets)
        self._counts = np.zeros(len(buckets) + 1, np.int64)
        self._sum = 0.0
        self._lock = Lock()
        REGISTRY.register(self)

    def observe(self, values: npt.NDArray[np.float64]) -> None:
        """Count ``values``, ``(n,)``: each in the first bucket whose edge is not below the value."""
        buckets = self._edges.searchsorted(values)
        counts = np.bincount(buckets, minlength=len(self._counts))
        with self._lock:
            self._counts += counts
            self._sum += float(values.sum())

    def collect(self) -> Iterator[HistogramMetricFamily]:
        with self._lock:
            totals, total = np.cumsum(self._counts).tolist(), self._sum
        names = [*map(str, self._edges.tolist()), "+Inf"]
        family = HistogramMetricFamily(self._name, self._documentation)
        family.add_metric([], list(zip(names, totals, strict=True)), total)
        yield family

    def describe(self) -> list[HistogramMetricFamily]:
        """The metric without its values, as ``prometheus_client`` asks for it."""
        return [HistogramMetricFamily(self._name, self._documentation)]


_SHORT_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600)
_LONG_SECONDS = (1, 10, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 21_600, 86_400)
_ROWS = (1, 4, 16, 64, 256, 1024, 4096, 16_384)
_SCORES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 2, 5, 10)

# The input.
RECORDS = Counter("driftline_records_total", "Records read from the source.")
BATCH_RECORDS = Histogram("driftline_batch_records", "Records in a batch.", buckets=_ROWS)
AMBIGUOUS_TIMES = Counter(
    "driftline_ambiguous_times_total", "Event times that the clock of source.ts_zone showed twice."
)
TOMBSTONES = Counter("driftline_tombstones_total", "Kafka messages without a value that were skipped.")
NEW_PARTITIONS = Gauge(
    "driftline_source_new_partitions", "Partitions that were added and are read after the next start."
)
SOURCE_LAG_MESSAGES = Gauge("driftline_source_lag_messages", "Messages in Kafka that are not read yet.")
SOURCE_LAG_BYTES = Gauge("driftline_source_lag_bytes", "Bytes of the source's files that are not read yet.")
SOURCE_LAG_VERSIONS = Gauge(
    "driftline_source_lag_versions", "Versions of a Delta table that are not read to their end yet."
)

# The output.
SCORED_ROWS = Counter("driftline_scored_rows_total", "Scored rows: one for each event and window.")
DEAD_LETTERS = Counter("driftline_dead_letters_total", "Records that became dead letters.", ["reason"])
LATE_EVENTS = Counter(
    "driftline_late_events_total", "Events that came too late for all their windows.", ["reason"]
)
LATE_BY = ArrayHistogram(
    "driftline_late_by_seconds",
    "Seconds from the end of a late event's last window to the watermark.",
    _LONG_SECONDS,
)
SCORES = ArrayHistogram("driftline_score", "Scores; higher is more anomalous.", _SCORES)

# Time and windows.
WATERMARK = Gauge(
    "driftline_watermark_timestamp_seconds",
    "Lowest and highest watermark of the key groups, or of the keys, Unix time.",
    ["bound"],
)
SKEW = Gauge(
    "driftline_event_time_skew_seconds",
    "How far the newest event time is ahead of the watermark of the stream.",
)
JUMPS = Counter(
    "driftline_jumps_total", "Events too far ahead of their partition to move the watermark at once."
)
WINDOWS_OPEN = Gauge("driftline_windows_open", "Windows that hold events and have not ended.")
WINDOWS_CLOSED = Counter("driftline_windows_closed_total", "Windows that were scored for the first time.")
WINDOW_REVISIONS = Counter(
    "driftline_window_revisions_total", "Windows that late events changed and that were scored again."
)
EVENT_LATENCY = ArrayHistogram(
    "driftline_event_latency_seconds",
    "Seconds from an event's time until the event was scored.",
    _LONG_SECONDS,
)
ARRIVAL_LATENCY = Histogram(
    "driftline_arrival_latency_seconds",
    "Seconds from the reading of the batch that closed a window until the window was scored.",
    buckets=_SHORT_SECONDS,
)

# The state.
STATE_ROWS = Gauge("driftline_state_rows", "Rows in the state.")
STATE_BYTES = Gauge("driftline_state_bytes", "Bytes of the rows in the state, as a snapshot writes them.")
SNAPSHOT_BYTES = Counter("driftline_snapshot_bytes_total", "Bytes of rows that snapshots wrote.")
SNAPSHOT_TIMESTAMP = Gauge(
    "driftline_snapshot_timestamp_seconds", "Time of the last snapshot of a key, Unix time."
)

REFERENCE_KEYS = Gauge("driftline_reference_keys", "Keys that have a reference.")
REFERENCE_EVENTS = Gauge("driftline_reference_events", "Events in the references.")
REFERENCE_BYTES = Gauge(
    "driftline_reference_bytes", "Bytes of the references, as score.reference_bytes counts them."
)
REFERENCES_SHRUNK = Counter(
    "driftline_references_shrunk_total", "References that shrank to make room.", ["result"]
)

# The alerts.
ALERTS = Counter("driftline_alerts_total", "Alerts: changes of incidents.", ["state"])
ALERTS_SUPPRESSED = Counter(
    "driftline_alerts_suppressed_total",
    "Events that did not alert, because the budget had no room for a new incident.",
)
ALERTS_EXPECTED = Counter(
    "driftline_alerts_expected_total",
    "Events that did not alert, because they resemble a text that is marked as expected.",
)
MARKS = Gauge("driftline_marks", "Marks that counted for the last window.", ["mark"])
MARK_ERRORS = Counter("driftline_mark_errors_total", "Lines of the file of marks that are no marks.")
INCIDENTS_OPEN = Gauge("driftline_incidents_open", "Incidents that are open.")

# The webhooks.
WEBHOOK_POSTS = Counter(
    "driftline_webhook_posts_total", "Posts of alerts to a webhook.", ["webhook", "result"]
)
WEBHOOK_WAITING = Gauge(
    "driftline_webhook_waiting", "Changes of incidents that wait in the spool.", ["webhook"]
)
WEBHOOK_REFUSED = Gauge(
    "driftline_webhook_refused",
    "Changes of incidents that the receiver refused and that the spool keeps.",
    ["webhook"],
)
WEBHOOK_OLDEST = Gauge(
    "driftline_webhook_waiting_seconds", "How long the oldest change waits in the spool.", ["webhook"]
)

# Drift.
DRIFT_TESTS = Counter("driftline_drift_tests_total", "Tests of drift.")
DRIFT_WINDOWS = Counter(
    "driftline_drift_windows_total", "Windows that are large enough for tests of drift.", ["state"]
)
DRIFT_ALARMS = Counter("driftline_drift_alarms_total", "Windows that drift as the level of a test says.")
DRIFT_KEYS = Gauge("driftline_drift_keys", "Keys that are tested for drift.")

RECOVERY_BYTES = Gauge("driftline_recovery_store_bytes", "Bytes of the recovery store on disk.")
RECOVERY_FREE = Gauge("driftline_recovery_free_bytes", "Free bytes on the disk of the recovery store.")

# The model.
CACHE_LOOKUPS = Counter(
    "driftline_cache_lookups_total", "Texts that were looked up in the cache of embeddings.", ["result"]
)
TOKENS = Counter(
    "driftline_tokens_total",
    "Tokens of the texts, and tokens that were computed, padding included.",
    ["kind"],
)
REQUEST_TEXTS = Histogram(
    "driftline_embed_request_texts", "Texts in a request to the model server.", buckets=_ROWS
)
REQUEST_SECONDS = Histogram(
    "driftline_embed_request_seconds",
    "Seconds from sending a request to the model server until the answer.",
    buckets=_SHORT_SECONDS,
)
REQUESTS_IN_FLIGHT_LIMIT = Gauge(
    "driftline_embed_in_flight_limit", "Requests to the model server that a worker may have open now."
)
REQUEST_FAILURES = Counter(
    "driftline_embed_request_failures_total", "Requests to the model server without a valid answer.", ["code"]
)
RETRIES = Counter("driftline_embed_retries_total", "Requests to the model server that were sent again.")
OUTAGE = Gauge("driftline_embed_outage", "1 while the model server is unreachable, else 0.")

# Prometheus computes a rate only of a series that exists before the first event.
for _reason in REASONS:
    DEAD_LETTERS.labels(_reason)
for _state in ALERT_STATES:
    ALERTS.labels(_state)
for _state in DRIFT_STATES:
    DRIFT_WINDOWS.labels(_state)
LATE_CLOSED, LATE_SESSION = (LATE_EVENTS.labels(reason) for reason in ("closed", "session"))
#: The gauge of each kind of mark.
MARKS_COUNTING = {mark: MARKS.labels(mark) for mark in ("expected", "real")}
CACHE_HITS, CACHE_MISSES = (CACHE_LOOKUPS.labels(result) for result in ("hit", "miss"))
REFERENCES_CUT, REFERENCES_FORGOTTEN = (REFERENCES_SHRUNK.labels(result) for result in ("cut", "forgotten"))
TOKENS_REAL, TOKENS_COMPUTED = (TOKENS.labels(kind) for kind in ("real", "computed"))
WATERMARK_LOWEST, WATERMARK_HIGHEST = (WATERMARK.labels(bound) for bound in ("lowest", "highest"))
