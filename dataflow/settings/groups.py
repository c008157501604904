"""Every setting: one frozen object, with one group for each stage."""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from dataflow.settings.values import Instant, NotNegative, Positive, Uris, Zone


class _Group(BaseModel):
    # `python -m docs.generate` writes the reference of settings from the docstring below each field.
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Group):
    """Where records come from, and where in a record the event is."""

    uri: str = "stdin:"
    """The source: ``file:PATH`` (or a glob), ``stdin:``, ``kafka://host:port,.../topic`` or ``demo:``."""
    id_field: str | None = None
    """The field with the identity of the event. Unset: the identity is ``partition:offset``."""
    key_field: str | None = None
    """The field with the key: events are compared with events of the same key. Unset: Kafka's message key, or
    one key for all events."""
    ts_field: str = "ts"
    """The field with the event time. Empty: Kafka's timestamp, else the time of arrival."""
    ts_format: str = "rfc3339"
    """How a time is written: ``rfc3339``, ``epoch_s``, ``epoch_ms``, or a ``strptime`` pattern."""
    ts_zone: Zone = "UTC"
    """The zone of times that have no zone."""
    ts_year: Annotated[int, Field(ge=1, le=9999)] | None = None
    """The year of times that have no year. Unset: the latest year in which the time is not in the future."""
    ts_ambiguous: Literal["earlier", "later", "reject"] = "earlier"
    """Which moment is meant by a time without an offset that the zone has twice in autumn. ``reject`` makes
    the record a dead letter."""
    text_field: str = "text"
    """The field with the text."""
    max_record_bytes: Annotated[int, Field(ge=1)] = 1 << 20
    """A longer record is a dead letter."""
    batch_rows: Annotated[int, Field(ge=1)] = 1024
    """A batch ends at so many records, or at ``batch_bytes``, whichever comes first."""
    batch_bytes: Annotated[int, Field(ge=1)] = 8 << 20
    """A batch ends at so many bytes of records. A longer record is a batch of its own."""


class Kafka(_Group):
    """How to reach Kafka, for the source and the sinks. Names are librdkafka's, with ``_`` for ``.``."""

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] | None = None
    """The protocol to the brokers. Unset: librdkafka's default, ``PLAINTEXT``."""
    sasl_mechanism: str | None = None
    """The SASL mechanism, such as ``SCRAM-SHA-512``."""
    sasl_username: str | None = None
    """The SASL user name."""
    sasl_password: SecretStr | None = None
    """The SASL password. A secret is never in a URI, and never in the log."""
    ssl_ca_location: str | None = None
    """The PEM file of the authority that vouches for the brokers."""
    ssl_certificate_location: str | None = None
    """The PEM file with the certificate of this process, for mutual TLS."""
    ssl_key_location: str | None = None
    """The PEM file with the key of that certificate."""
    ssl_key_password: SecretStr | None = None
    """The password of that key."""


class Embed(_Group):
    """What turns texts into embeddings."""

    kind: Literal["triton", "onnx", "null"] = "triton"
    """``triton``: a server; ``onnx``: this process, with ONNX Runtime; ``null``: made-up embeddings."""
    url: str = "127.0.0.1:8001"
    """The gRPC address of Triton."""
    model: str = "sbert"
    """The name of the model on the server."""
    version: Annotated[str, Field(pattern=r"^[0-9]+(\+[0-9a-f]{4,64})?$")] | None = None
    """The pinned version: ``3`` for a number, ``3+d3f9`` for number 3 if the sum of the model begins so.
    Unset: the newest version at the start."""
    follow: bool = False
    """Whether to change to a newer version while running. No window mixes versions in either case."""
    follow_interval: Positive = timedelta(seconds=10)
    """How often to look for a newer version."""
    dim: Annotated[int, Field(ge=1)] | None = None
    """The dimension that the embeddings must have. Unset: any."""
    repository: Path = Path("model_repo")
    """The model repository. ``onnx`` reads the model there; Triton must serve the same files."""
    cache_rows: Annotated[int, Field(ge=0)] = 100_000
    """How many embeddings are kept for texts that come again: dimension x 4 bytes each. ``0``: none."""
    max_request_rows: Annotated[int, Field(ge=1)] = 256
    """The most texts in a request."""
    max_request_chars: Annotated[int, Field(ge=1)] = 65_536
    """The most characters in a request."""
    max_in_flight: Annotated[int, Field(ge=1)] = 4
    """How many requests are sent at a time."""
    channels: Annotated[int, Field(ge=1)] = 2
    """How many connections the requests share."""
    tls_ca: Path | None = None
    """The PEM file of the authority that vouches for the server. It turns TLS on."""
    tls_certificate: Path | None = None
    """The PEM file with the certificate of this process, for mutual TLS."""
    tls_key: Path | None = None
    """The PEM file with the key of that certificate."""
    request_timeout: Positive = timedelta(seconds=60)
    """How long to wait for the answer to a request."""
    startup_timeout: Positive = timedelta(seconds=30)
    """How long to wait for a server at the start."""
    max_outage: Positive = timedelta(minutes=10)
    """How long to wait for a server that became unreachable, before the process ends."""

    @model_validator(mode="after")
    def _fits_together(self) -> "Embed":
        if self.follow and self.version:
            raise ValueError("embed.follow and embed.version exclude each other: follow is the newest")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("embed.tls_certificate and embed.tls_key belong together")
        if self.tls_certificate and not self.tls_ca:
            raise ValueError("embed.tls_certificate needs embed.tls_ca, which turns TLS on")
        return self


#: An event is scored in each of its windows, so they multiply the work and the output.
MOST_WINDOWS = 5_000


class Window(_Group):
    """Event-time windows. docs/explanation/time.md explains what each setting does to a stream."""

    kind: Literal["sliding", "tumbling", "session"] = "sliding"
    """``sliding`` and ``tumbling`` windows have a length, ``session`` windows end after a gap."""
    length: Positive = timedelta(minutes=10)
    """The length of a ``sliding`` or ``tumbling`` window."""
    slide: Positive = timedelta(minutes=5)
    """How far apart ``sliding`` windows begin; at most ``length``."""
    gap: Positive = timedelta(minutes=5)
    """The pause of a key that ends a ``session`` window."""
    delay: NotNegative = timedelta(minutes=5)
    """How far the watermark is behind the newest event: events may be out of order by so much."""
    allowed_lateness: NotNegative = timedelta(0)
    """How long a closed window is kept. A late event in this time emits the window again, as a revision."""
    idle_timeout: Positive | None = None
    """A partition without events for this long, by the wall clock, holds no watermark back. Unset: off."""
    max_future: Positive = timedelta(minutes=5)
    """An event further ahead of the wall clock becomes a dead letter."""
    max_jump: NotNegative | None = None
    """An event further ahead of its partition moves no watermark until later events confirm it. Unset: as
    long as ``delay``. ``0s``: off."""
    align_to: Instant = datetime(1970, 1, 1, tzinfo=timezone.utc)
    """A moment at which a ``sliding`` or ``tumbling`` window begins."""
    on_eof: Literal["close", "keep"] = "close"
    """What the end of the input does to open windows: close them, or keep them in the recovery store."""
    max_window_rows: Annotated[int, Field(ge=100)] | None = None
    """The most rows of a window; a larger window becomes a uniform sample. Unset: no bound."""
    remember: Positive = timedelta(days=1)
    """How long a key without events is remembered, by the wall clock: its closed windows stay closed."""

    @model_validator(mode="after")
    def _slide_fits(self) -> "Window":
        if self.kind == "sliding" and self.slide > self.length:
            raise ValueError(
                "window.slide is longer than window.length, events between the windows would be lost"
            )
        if self.kind == "sliding" and self.length > MOST_WINDOWS * self.slide:
            raise ValueError(
                f"window.length is {self.length // self.slide:,} times window.slide, and each event would be "
                f"in so many windows; make window.slide longer, {MOST_WINDOWS:,} windows are the most"
            )
        return self


class Score(_Group):
    """Which scorer, and its parameters."""

    kind: str = "kmeans"
    """A scorer by name, or ``module:function`` for a function of your own over a pandas DataFrame."""
    clusters: Annotated[int, Field(ge=1)] = 8
    """How many clusters ``kmeans`` makes in a window."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    """The seed of ``kmeans``."""
    neighbours: Annotated[int, Field(ge=1)] = 5
    """How many neighbours ``knn`` and ``lof`` look at."""


class Sink(_Group):
    """Where each output stream goes: one URI, or several separated by blanks; empty: nowhere."""

    scores: Uris = ("stdout:",)
    """Scored rows: ``file:PATH.jsonl``, ``file:DIR.parquet``, ``kafka://...``, ``stdout:`` or ``stderr:``."""
    late: Uris = ("stderr:",)
    """Events that came too late for all of their windows."""
    dead_letters: Uris = ("stderr:",)
    """Records that could not become events."""
    windows: Uris = ()
    """A summary of each window."""
    embeddings: bool = False
    """Whether scored rows carry their embedding."""


class Log(_Group):
    """What the process logs on standard error. docs/reference/logs.md lists the events."""

    format: Literal["text", "json"] = "text"
    """Lines for a reader, or a JSON object on each line."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is logged."""
    texts: bool = False
    """Whether the log may hold texts of events."""
    interval: Positive = timedelta(minutes=1)
    """How often counts are logged."""
    traces: Literal["off", "otlp"] = "off"
    """``otlp`` sends spans to where OpenTelemetry's own variables (``OTEL_*``) say."""


class Settings(_Group):
    """All settings. Build it with :func:`dataflow.settings.load.load`, or directly in tests."""

    source: Source = Source()
    kafka: Kafka = Kafka()
    embed: Embed = Embed()
    window: Window = Window()
    score: Score = Score()
    sink: Sink = Sink()
    log: Log = Log()
