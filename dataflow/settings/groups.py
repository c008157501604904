"""Every setting: one frozen object, a group a stage."""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from dataflow.settings.values import Instant, NotNegative, Positive, Uris, Zone


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Group):
    """Where records come from, and where in a record the event is.

    ``ts_format``: ``rfc3339``, ``epoch_s``, ``epoch_ms``, or a ``strptime`` pattern; a pattern
    without a zone takes ``ts_zone``, one without a year ``ts_year`` (unset: this year). ``ts_ambiguous``:
    which of two times is meant where the clock of ``ts_zone`` is set back. A batch ends at ``batch_rows``
    records or ``batch_bytes`` bytes of them, whichever comes first.
    """

    uri: str = "stdin:"
    id_field: str | None = None
    key_field: str | None = None
    ts_field: str = "ts"
    ts_format: str = "rfc3339"
    ts_zone: Zone = "UTC"
    ts_year: Annotated[int, Field(ge=1, le=9999)] | None = None
    ts_ambiguous: Literal["earlier", "later", "reject"] = "earlier"
    text_field: str = "text"
    max_record_bytes: Annotated[int, Field(ge=1)] = 1 << 20
    batch_rows: Annotated[int, Field(ge=1)] = 1024
    batch_bytes: Annotated[int, Field(ge=1)] = 8 << 20


class Kafka(_Group):
    """How to reach Kafka, for source and sinks alike; names are librdkafka's, ``_`` for ``.``."""

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] | None = None
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_ca_location: str | None = None
    ssl_certificate_location: str | None = None
    ssl_key_location: str | None = None
    ssl_key_password: SecretStr | None = None


class Embed(_Group):
    """Who turns texts into vectors. ``version`` unset: the newest at the start; ``3+d3f9``: number 3 if its
    model's sum begins so; ``follow``: the newest at any time. ``cache_rows`` vectors are kept for texts that
    come again, ``dim`` x 4 bytes each.
    """

    kind: Literal["triton", "onnx", "null"] = "triton"
    url: str = "127.0.0.1:8001"
    model: str = "sbert"
    version: Annotated[str, Field(pattern=r"^[0-9]+(\+[0-9a-f]{4,64})?$")] | None = None
    follow: bool = False
    follow_interval: Positive = timedelta(seconds=10)
    dim: Annotated[int, Field(ge=1)] | None = None
    repository: Path = Path("model_repo")
    cache_rows: Annotated[int, Field(ge=0)] = 100_000
    max_request_rows: Annotated[int, Field(ge=1)] = 256
    max_request_chars: Annotated[int, Field(ge=1)] = 65_536
    max_in_flight: Annotated[int, Field(ge=1)] = 4
    channels: Annotated[int, Field(ge=1)] = 2
    tls_ca: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    request_timeout: Positive = timedelta(seconds=60)
    startup_timeout: Positive = timedelta(seconds=30)
    max_outage: Positive = timedelta(minutes=10)

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
    """Event-time windows; see docs/explanation/time.md for what each setting does to a stream."""

    kind: Literal["sliding", "tumbling", "session"] = "sliding"
    length: Positive = timedelta(minutes=10)
    slide: Positive = timedelta(minutes=5)
    gap: Positive = timedelta(minutes=5)
    delay: NotNegative = timedelta(minutes=5)
    allowed_lateness: NotNegative = timedelta(0)
    idle_timeout: Positive | None = None
    max_future: Positive = timedelta(minutes=5)
    max_jump: NotNegative | None = None
    align_to: Instant = datetime(1970, 1, 1, tzinfo=timezone.utc)
    on_eof: Literal["close", "keep"] = "close"
    max_window_rows: Annotated[int, Field(ge=100)] | None = None
    remember: Positive = timedelta(days=1)

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
    """Which scorer, and its parameters. ``kind`` is a built-in name or ``module:function``."""

    kind: str = "kmeans"
    clusters: Annotated[int, Field(ge=1)] = 8
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    neighbours: Annotated[int, Field(ge=1)] = 5


class Sink(_Group):
    """Where each output stream goes: one URI, or several separated by blanks; empty: nowhere."""

    scores: Uris = ("stdout:",)
    late: Uris = ("stderr:",)
    dead_letters: Uris = ("stderr:",)
    windows: Uris = ()
    embeddings: bool = False


class Log(_Group):
    """What the process says of itself on standard error; see docs/reference/logs.md.

    ``texts``: whether events' texts may stand in it. ``interval``: how often counts are told.
    ``traces``: ``otlp`` sends spans to where OpenTelemetry's own variables (``OTEL_*``) say.
    """

    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warning", "error"] = "info"
    texts: bool = False
    interval: Positive = timedelta(minutes=1)
    traces: Literal["off", "otlp"] = "off"


class Settings(_Group):
    """All settings. Build it with :func:`load`, or directly in tests."""

    source: Source = Source()
    kafka: Kafka = Kafka()
    embed: Embed = Embed()
    window: Window = Window()
    score: Score = Score()
    sink: Sink = Sink()
    log: Log = Log()
