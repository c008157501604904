"""Every setting, in one group for each stage. The docstring below a field is its entry in the reference.

All groups are frozen, and unknown names are refused. Durations are ``timedelta``; see
:func:`dataflow.settings.values.duration` for how to write them.
"""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from dataflow.settings.values import Instant, NotNegative, Patterns, Positive, Uris, Zone


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Source(_Group):
    """The source of the records, and where a record holds the event."""

    uri: str = "stdin:"
    """Where to read: ``file:PATH`` (or a glob), ``stdin:``, ``kafka://HOST:PORT,.../TOPIC``,
    ``demo:?rate=..&seed=..``.
    """

    id_field: str | None = None
    """Field with the identity of the event, a string or an integer. Unset: the position of the record,
    ``partition:offset``.
    """

    key_field: str | None = None
    """Field with the key: only events with equal keys are compared with each other. Unset: the message key of
    Kafka; all events have one key where the source has no message keys.
    """

    ts_field: str = "ts"
    """Field with the event time. Empty: the timestamp of the Kafka message, else the time of arrival. In
    lines of plain text, any name means the time at the start of the line.
    """

    ts_format: str = "rfc3339"
    """How the event time is written: ``rfc3339``, ``epoch_s``, ``epoch_ms``, or a ``strptime`` pattern."""

    ts_zone: Zone = "UTC"
    """Time zone (an IANA name) of event times without an offset."""

    ts_year: Annotated[int, Field(ge=1, le=9999)] | None = None
    """Year of event times without a year, 1 to 9999. Unset: the latest year in which the time is at most
    ``window.max_future`` ahead of the wall clock.
    """

    ts_ambiguous: Literal["earlier", "later", "reject"] = "earlier"
    """Which time is meant where the clock of ``ts_zone`` is set back and shows a time twice: the ``earlier``
    or the ``later`` one; ``reject`` makes the record a dead letter.
    """

    text_field: str = "text"
    """Field with the text, a string."""

    mask: Patterns = ()
    """Patterns in the text that become their names before the text is embedded, so that texts of one form
    become equal: ``path``, ``uuid``, ``time``, ``hex``, ``ip``, ``number``, or ``NAME=REGEX`` with a regular
    expression (RE2) of your own, separated by blanks. The rows keep the text itself. Fixed in the recovery
    store. Empty: texts are embedded as they are.
    """

    max_record_bytes: Annotated[int, Field(ge=1)] = 1 << 20
    """Largest record in bytes, at least 1. A longer record becomes a dead letter."""

    batch_rows: Annotated[int, Field(ge=1)] = 1024
    """Most records in a batch, at least 1. A batch ends at ``batch_rows`` or ``batch_bytes``, whichever comes
    first.
    """

    batch_bytes: Annotated[int, Field(ge=1)] = 8 << 20
    """Bytes of records at which a batch ends, at least 1."""


class Kafka(_Group):
    """How to connect to Kafka, for the source and for the sinks. Each setting is the setting of librdkafka
    with the same name, with ``.`` in place of ``_``; unset: the default of librdkafka.
    """

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] | None = None
    """Protocol of the connection to the brokers. Unset: ``PLAINTEXT``."""

    sasl_mechanism: str | None = None
    """SASL mechanism, for example ``PLAIN`` or ``SCRAM-SHA-512``. Unset: ``GSSAPI``; it matters only with a
    ``SASL_`` protocol.
    """

    sasl_username: str | None = None
    """User name for SASL. Unset: none is sent."""

    sasl_password: SecretStr | None = None
    """Password for SASL; it is never logged. Unset: none is sent."""

    ssl_ca_location: str | None = None
    """Path of the certificates (PEM) of the authorities that brokers are checked against. Unset: the
    authorities that the system trusts.
    """

    ssl_certificate_location: str | None = None
    """Path of the certificate (PEM) that the client shows to the brokers. Unset: the client shows none."""

    ssl_key_location: str | None = None
    """Path of the private key (PEM) of ``ssl_certificate_location``. Unset: there is no key."""

    ssl_key_password: SecretStr | None = None
    """Password of the private key; it is never logged. Unset: the key has no password."""


class Embed(_Group):
    """The embedder, which turns texts into vectors."""

    kind: Literal["triton", "onnx", "null"] = "triton"
    """Which embedder: ``triton`` calls a model server, ``onnx`` runs the same model in this process, ``null``
    hashes the texts and needs no model (for tests and benchmarks).
    """

    url: str = "127.0.0.1:8001"
    """Address of the gRPC endpoint of Triton, ``HOST:PORT``."""

    model: str = "sbert"
    """Name of the model in the model repository."""

    version: Annotated[str, Field(pattern=r"^[0-9]+(\+[0-9a-f]{4,64})?$")] | None = None
    """Version of the model: its number (``3``), or its number and the first 4 to 64 digits of the model's
    SHA-256 (``3+d3f9``). Unset: the newest version at the start.
    """

    follow: bool = False
    """Whether to change to a newer version of the model while the flow runs. A window never mixes versions,
    with or without this setting. Excludes ``version``.
    """

    follow_interval: Positive = timedelta(seconds=10)
    """How often ``follow`` looks for a newer version; longer than zero."""

    dim: Annotated[int, Field(ge=1)] | None = None
    """Number of dimensions that the embeddings must have, at least 1. Unset: as many as the model has (384
    with ``null``).
    """

    repository: Path = Path("model_repo")
    """Folder of the model repository. ``onnx`` reads the model there. ``triton`` refuses a server whose model
    differs from the same version in this folder.
    """

    cache_rows: Annotated[int, Field(ge=0)] = 100_000
    """Most embeddings in the cache for texts that come again. An embedding takes 4 bytes for each dimension:
    100,000 rows of 384 dimensions take 154 MB. 0: no cache.
    """

    max_request_rows: Annotated[int, Field(ge=1)] = 256
    """Most texts in a request to the model server, at least 1. The ``max_batch_size`` of the model may lower
    this bound.
    """

    max_request_chars: Annotated[int, Field(ge=1)] = 65_536
    """Most characters in a request to the model server, at least 1. A longer text makes a request of its own.
    """

    max_in_flight: Annotated[int, Field(ge=1)] = 4
    """Most requests that a worker has open at a time, at least 1."""

    channels: Annotated[int, Field(ge=1)] = 2
    """Connections to the model server, which the requests of the process share, at least 1."""

    tls_ca: Path | None = None
    """Path of the certificates (PEM) of the authorities that the model server is checked against. Unset: the
    connection is not encrypted.
    """

    tls_certificate: Path | None = None
    """Path of the certificate (PEM) that this process shows to the model server, for mutual TLS. Needs
    ``tls_ca`` and ``tls_key``. Unset: this process shows none.
    """

    tls_key: Path | None = None
    """Path of the private key (PEM) of ``tls_certificate``. Unset: there is no key."""

    request_timeout: Positive = timedelta(seconds=60)
    """How long to wait for the answer to one request; longer than zero. Then the request is sent again."""

    startup_timeout: Positive = timedelta(seconds=30)
    """How long to wait at the start for the model server to answer; longer than zero. Then the process ends
    with exit code 2.
    """

    max_outage: Positive = timedelta(minutes=10)
    """How long the model server may be unreachable while the flow runs; longer than zero. Then the process
    ends with exit code 1; a restart with the same recovery store resumes.
    """

    @model_validator(mode="after")
    def _fits_together(self) -> "Embed":
        if self.follow and self.version:
            raise ValueError("embed.follow and embed.version exclude each other: follow takes the newest")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("embed.tls_certificate and embed.tls_key belong together: set both or neither")
        if self.tls_certificate and not self.tls_ca:
            raise ValueError("embed.tls_certificate needs embed.tls_ca, which turns TLS on")
        return self


#: Most sliding windows that an event may be in. An event is scored in each of its windows, so the number of
#: windows multiplies the work and the output.
MOST_WINDOWS = 5_000


class Window(_Group):
    """Event-time windows. docs/explanation/time.md explains what each setting does to a stream."""

    kind: Literal["sliding", "tumbling", "session"] = "sliding"
    """Kind of the windows: ``sliding`` windows overlap, ``tumbling`` windows do not, a ``session`` ends where
    no event comes for ``gap``.
    """

    length: Positive = timedelta(minutes=10)
    """Length of a sliding or tumbling window; longer than zero."""

    slide: Positive = timedelta(minutes=5)
    """Time from the start of a sliding window to the start of the next one; longer than zero, at most
    ``length``, at least ``length`` / 5,000.
    """

    gap: Positive = timedelta(minutes=5)
    """Time without an event that ends a session; longer than zero."""

    watermark: Literal["stream", "key"] = "stream"
    """Whose events move the watermark: those of all keys (``stream``), as in Spark and Flink, or those of
    each key alone (``key``), for devices whose clocks or uploads do not depend on each other.
    """

    key_groups: Annotated[int, Field(ge=1, le=4096)] = 8
    """Number of groups into which the keys are divided, from 1 to 4,096. A group is the unit of work and of
    state. At most this many workers assign events to windows; all workers hold rows and score. Fewer groups
    make larger batches, which cost less. Fixed in the recovery store.
    """

    delay: NotNegative = timedelta(minutes=5)
    """How far the watermark stays behind the largest event time of a partition; at least zero. Events that
    are out of order by at most ``delay`` are not late.
    """

    allowed_lateness: NotNegative = timedelta(0)
    """How long, in event time, a closed window takes late events and is emitted again with the next revision;
    at least zero.
    """

    idle_timeout: Positive | None = None
    """How long, by the wall clock, a partition may be silent before the watermark stops waiting for it;
    longer than zero. Unset: the watermark waits without a limit.
    """

    max_future: Positive = timedelta(minutes=5)
    """How far an event time may be ahead of the wall clock; longer than zero. An event further ahead becomes
    a dead letter.
    """

    max_jump: NotNegative | None = None
    """How far an event may be ahead of the newest event of its partition and move the watermark at once; at
    least zero. An event further ahead moves the watermark only after later events confirm it. ``0s``: each
    event moves the watermark at once. Unset: the value of ``delay``.
    """

    align_to: Instant = datetime(1970, 1, 1, tzinfo=timezone.utc)
    """A time at which a sliding or tumbling window starts, for example ``2026-01-01T00:00:00Z``; UTC if it
    has no offset. All other windows follow from it.
    """

    on_eof: Literal["close", "keep"] = "close"
    """What happens to open windows at the end of the input: ``close`` scores them; ``keep`` leaves them in
    the recovery store, for a later run over more input.
    """

    max_window_rows: Annotated[int, Field(ge=100)] | None = None
    """Most rows of a key in a window, at least 100. A window with more rows is scored on a uniform sample of
    its rows. Unset: no bound.
    """

    max_window_bytes: Annotated[int, Field(ge=1_000_000)] | None = None
    """Most bytes of a key in a window (embeddings, texts, ids and attributes), at least 1,000,000. A window
    with more is scored on a uniform sample of its rows. Unset: no bound.
    """

    remember: Positive = timedelta(days=1)
    """With ``watermark = key``: how long, by the wall clock, a key without rows remembers which of its
    windows are closed; longer than zero. After that time, a very late event can open a closed window again.
    """

    @model_validator(mode="after")
    def _slide_fits(self) -> "Window":
        if self.kind == "sliding" and self.slide > self.length:
            raise ValueError(
                "window.slide is longer than window.length, events between the windows would be lost"
            )
        if self.kind == "sliding" and self.length > MOST_WINDOWS * self.slide:
            raise ValueError(
                f"window.length is {self.length // self.slide:,} times window.slide, so each event would "
                f"be in that many windows; the most is {MOST_WINDOWS:,}: make window.slide longer"
            )
        return self


class Score(_Group):
    """The scorer and its parameters."""

    kind: str = "kmeans"
    """Name of the scorer: ``kmeans``, ``mean``, ``cosine``, ``knn``, ``lof``, or ``module:function`` for a
    function of your own.
    """

    clusters: Annotated[int, Field(ge=1)] = 8
    """Number of clusters of ``kmeans``, at least 1. A window with fewer events has as many clusters as
    events.
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    """Seed of the random numbers of ``kmeans``, 0 to 2**32 - 1. Equal seeds give equal scores."""

    neighbours: Annotated[int, Field(ge=1)] = 5
    """Number of neighbours of ``knn`` and ``lof``, at least 1. A window with fewer other events uses all of
    them.
    """

    reference: bool = False
    """Whether events are also compared with a reference, a sample of the earlier events of their key. Scored
    rows then have ``novelty``, ``surge``, ``rarity``, ``p_value`` and ``anomaly``.
    """

    evidence: Literal["novelty", "surge", "rarity", "score", "sum"] = "sum"
    """What ``p_value`` and ``anomaly`` are made of: one of the columns, or ``sum``, which adds up novelty and
    surge.
    """

    reference_rows: Annotated[int, Field(ge=100)] = 2000
    """Most events in the reference of a key, at least 100."""

    reference_least: Annotated[int, Field(ge=10)] = 100
    """Least events in the reference of a key, at least 10 and at most ``reference_rows``. The columns are
    null until there are as many, and as many that can be compared with as many.
    """

    half_life: Positive = timedelta(days=7)
    """An event that is this much older than another one, in event time, is half as likely to be in the
    reference; longer than zero.
    """

    quarantine: Positive | None = None
    """How long a suspect event waits before it can be in the reference, in event time; longer than zero.
    Unset: 24 times the time from one window to the next.
    """

    novelty_neighbours: Annotated[int, Field(ge=1)] = 1
    """Number of nearest events to which ``novelty`` is the mean distance, at least 1."""

    novelty_window: bool = False
    """Whether the nearest events of ``novelty`` may be in the window, too: for logs, where an event that is
    new to the reference often repeats itself.
    """

    explain: Annotated[float, Field(ge=0)] | None = None
    """Lowest ``anomaly``, 0 or more, of an event that gets an ``explanation``; needs ``reference``. Unset:
    there are no explanations.
    """

    @model_validator(mode="after")
    def _reference_explains(self) -> "Score":
        if self.explain is not None and not self.reference:
            raise ValueError("score.explain needs a reference: set score.reference = true")
        return self

    @model_validator(mode="after")
    def _reference_can_be_known(self) -> "Score":
        if self.reference_least > self.reference_rows:
            raise ValueError(
                "score.reference_least is more than score.reference_rows, so no reference would ever have "
                "enough events"
            )
        return self


class Sink(_Group):
    """Where each output stream goes: one URI, or several URIs separated by blanks (``file:PATH.jsonl``,
    ``file:FOLDER.parquet``, ``kafka://HOST:PORT,.../TOPIC``, ``stdout:``, ``stderr:``). Empty: nowhere.
    """

    scores: Uris = ("stdout:",)
    """Sinks of the scored events: one row for each event and window."""

    late: Uris = ("stderr:",)
    """Sinks of the events that came too late for all their windows."""

    dead_letters: Uris = ("stderr:",)
    """Sinks of the records that could not become events, each with the reason."""

    windows: Uris = ()
    """Sinks of the window summaries: one row for each window."""

    embeddings: bool = False
    """Whether scored rows carry their embedding."""


class Log(_Group):
    """Logs, on standard error, and traces. docs/reference/logs.md lists the log events."""

    format: Literal["text", "json"] = "text"
    """Form of a log line: ``text`` for a reader, ``json`` for a machine."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least important level that is logged."""

    texts: bool = False
    """Whether log lines may quote the texts of events."""

    interval: Positive = timedelta(minutes=1)
    """How often the counts of dead letters and late events are logged; longer than zero."""

    traces: Literal["off", "otlp"] = "off"
    """Where spans go: ``off`` makes none; ``otlp`` sends spans over OTLP to the destination that
    OpenTelemetry's own variables (``OTEL_*``) name.
    """


class Settings(_Group):
    """All settings. :func:`dataflow.settings.load.load` builds it from the environment; tests build it
    directly.
    """

    source: Source = Source()
    """The source of the records, and where a record holds the event."""

    kafka: Kafka = Kafka()
    """How to connect to Kafka, for the source and for the sinks."""

    embed: Embed = Embed()
    """The embedder, which turns texts into vectors."""

    window: Window = Window()
    """Event-time windows."""

    score: Score = Score()
    """The scorer and its parameters."""

    sink: Sink = Sink()
    """Where each output stream goes."""

    log: Log = Log()
    """Logs and traces."""
