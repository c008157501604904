"""Every Prometheus metric of the dataflow, declared once. What they mean: docs/reference/metrics.md.

Bytewax serves them, beside its own, at ``/metrics`` of its API (``BYTEWAX_DATAFLOW_API_ENABLED=1``). They are
touched once a micro-batch, window or request, never once a row. All workers of a process share them.
"""

from collections.abc import Iterator, Sequence
from threading import Lock

import numpy as np
import numpy.typing as npt
from prometheus_client import REGISTRY, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from dataflow.items.schemas import REASONS

# They double the number of series, to say when each began.
disable_created_metrics()  # type: ignore[no-untyped-call]


class ArrayHistogram(Collector):
    """A histogram that takes arrays: one by one, a value costs ``prometheus_client`` a microsecond."""

    def __init__(self, name: str, documentation: str, buckets: Sequence[float]) -> None:
        self._name, self._documentation = name, documentation
        self._edges = np.array(buckets)
        self._counts = np.zeros(len(buckets) + 1, np.int64)
        self._sum = 0.0
        self._lock = Lock()
        REGISTRY.register(self)

    def observe(self, values: npt.NDArray[np.float64]) -> None:
        """Count ``values``, ``(n,)``, each in the first bucket whose edge is not below it."""
        places = self._edges.searchsorted(values)
        counts = np.bincount(places, minlength=len(self._counts))
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

# What comes in.
RECORDS = Counter("driftline_records_total", "Records read from the source.")
BATCH_RECORDS = Histogram("driftline_batch_records", "Records of a micro-batch.", buckets=_ROWS)
AMBIGUOUS_TIMES = Counter(
    "driftline_ambiguous_times_total", "Times that the clock of source.ts_zone showed twice."
)
SOURCE_LAG_MESSAGES = Gauge("driftline_source_lag_messages", "Messages in Kafka that were not read yet.")
SOURCE_LAG_BYTES = Gauge("driftline_source_lag_bytes", "Bytes of the source's files that were not read yet.")

# Where it ends.
SCORED_ROWS = Counter("driftline_scored_rows_total", "Scores that came out, one an event and window.")
DEAD_LETTERS = Counter("driftline_dead_letters_total", "Records that could not be processed.", ["reason"])
LATE_EVENTS = Counter("driftline_late_events_total", "Events that came too late for all windows.", ["reason"])
LATE_BY = ArrayHistogram(
    "driftline_late_by_seconds",
    "By how much the watermark had passed a late event's last window.",
    _LONG_SECONDS,
)
SCORES = ArrayHistogram("driftline_score", "Scores; higher is more anomalous.", _SCORES)

# Time and windows.
WATERMARK = Gauge(
    "driftline_watermark_timestamp_seconds", "Watermark of the keys that hold rows, Unix time.", ["bound"]
)
SKEW = Gauge(
    "driftline_event_time_skew_seconds", "Newest event time less watermark, the largest of all keys."
)
JUMPS = Counter(
    "driftline_jumps_total", "Events too far ahead of their partition to move a watermark unconfirmed."
)
WINDOWS_OPEN = Gauge("driftline_windows_open", "Windows that hold events and have not ended.")
WINDOWS_CLOSED = Counter("driftline_windows_closed_total", "Windows that were scored for the first time.")
WINDOW_REVISIONS = Counter("driftline_window_revisions_total", "Windows that were scored again.")
EVENT_LATENCY = ArrayHistogram(
    "driftline_event_latency_seconds", "From an event's time until a score of it came out.", _LONG_SECONDS
)
ARRIVAL_LATENCY = Histogram(
    "driftline_arrival_latency_seconds",
    "From the reading of the micro-batch that closed a window until its scores came out.",
    buckets=_SHORT_SECONDS,
)

# State.
STATE_KEYS = Gauge("driftline_state_keys", "Keys that hold rows.")
STATE_ROWS = Gauge("driftline_state_rows", "Events held for windows that may still need them.")
STATE_BYTES = Gauge("driftline_state_bytes", "Bytes of these events, as a snapshot writes them.")
SNAPSHOT_BYTES = Counter("driftline_snapshot_bytes_total", "Bytes of rows that snapshots wrote.")
SNAPSHOT_TIMESTAMP = Gauge("driftline_snapshot_timestamp_seconds", "When a key was last snapshot, Unix time.")

RECOVERY_BYTES = Gauge("driftline_recovery_store_bytes", "Bytes of the recovery store on its disk.")
RECOVERY_FREE = Gauge("driftline_recovery_free_bytes", "Bytes that are free on the recovery store's disk.")

# The model.
CACHE_LOOKUPS = Counter("driftline_cache_lookups_total", "Texts looked up in the cache.", ["result"])
TOKENS = Counter("driftline_tokens_total", "Tokens of texts, and tokens computed with padding.", ["kind"])
REQUEST_TEXTS = Histogram("driftline_embed_request_texts", "Texts of a request.", buckets=_ROWS)
REQUEST_SECONDS = Histogram(
    "driftline_embed_request_seconds", "From sending a request until its answer.", buckets=_SHORT_SECONDS
)
REQUEST_FAILURES = Counter(
    "driftline_embed_request_failures_total", "Requests without a good answer.", ["code"]
)
RETRIES = Counter("driftline_embed_retries_total", "Requests that were sent again.")
OUTAGE = Gauge("driftline_embed_outage", "1 while the model server gives no answer.")

# A rate needs a series from before the first event.
for _reason in REASONS:
    DEAD_LETTERS.labels(_reason)
LATE_CLOSED, LATE_SESSION = (LATE_EVENTS.labels(reason) for reason in ("closed", "session"))
CACHE_HITS, CACHE_MISSES = (CACHE_LOOKUPS.labels(result) for result in ("hit", "miss"))
TOKENS_REAL, TOKENS_COMPUTED = (TOKENS.labels(kind) for kind in ("real", "computed"))
WATERMARK_LOWEST, WATERMARK_HIGHEST = (WATERMARK.labels(bound) for bound in ("lowest", "highest"))
