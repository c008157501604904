"""Every setting of the dataflow: one frozen object, a group a stage.

Read from ``DRIFTLINE_<STAGE>__<FIELD>`` variables, and from the TOML file that ``DRIFTLINE_CONFIG``
names (tables are stages; a variable wins over the file). Unknown names are refused. This is the only
module that reads the environment.
"""

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from dataflow.errors import SettingsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PREFIX = "DRIFTLINE_"
CONFIG_VARIABLE = "DRIFTLINE_CONFIG"

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SHORT = re.compile(r"(?:\d+(?:\.\d+)?(?:us|ms|s|m|h|d))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d)")
_ISO = TypeAdapter(timedelta)
_LONGEST = timedelta(days=36_525)


def duration(value: object) -> timedelta:
    """``10m``, ``90s``, ``1h30m``, ``250ms``, ``2d``, ISO 8601 (``PT10M``), or a ``timedelta``.

    Raises ``ValueError`` for anything else, a bare number too: its unit would be a guess.
    """
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        text = value.strip()
        if _SHORT.fullmatch(text):
            seconds = sum(float(n) * _UNITS[unit] for n, unit in _PART.findall(text))
            if seconds > _LONGEST.total_seconds():
                raise ValueError(f"too long, the longest is {_LONGEST.days}d")
            return timedelta(seconds=seconds)
        if text.startswith(("P", "-P")):
            try:
                return _ISO.validate_python(text)
            except ValidationError:
                pass
    raise ValueError("not a duration; write it as 10m, 90s, 1h30m or PT10M")


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than zero")
    return value


def _not_negative(value: timedelta) -> timedelta:
    if value < timedelta(0):
        raise ValueError("must not be negative")
    return value


def _instant(value: object) -> datetime:
    if isinstance(value, str):
        value = datetime.fromisoformat(value.replace("Z", "+00:00"))
    if not isinstance(value, datetime):
        raise ValueError("not a time; write it as 2026-01-01T00:00:00Z")
    return value if value.tzinfo else value.replace(tzinfo=timezone.utc)


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError("not a time zone; write it as UTC or Europe/Zurich") from None
    return value


Positive = Annotated[timedelta, BeforeValidator(duration), AfterValidator(_positive)]
NotNegative = Annotated[timedelta, BeforeValidator(duration), AfterValidator(_not_negative)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Zone = Annotated[str, AfterValidator(_zone)]


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


def _uris(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    if isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise ValueError("not a URI, or several separated by blanks")


Uris = Annotated[tuple[str, ...], BeforeValidator(_uris)]


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


def load_log(environ: Mapping[str, str] | None = None) -> Log:
    """The ``log`` group alone, to say what is wrong with the others; its defaults if it is wrong itself."""
    environ = os.environ if environ is None else environ
    group = f"{PREFIX}LOG__"
    values: dict[str, str] = {}
    try:
        if path := environ.get(CONFIG_VARIABLE):
            with contextlib.suppress(SettingsError):
                values = dict(_toml(Path(path)).get("log", {}))
        values |= {
            name.removeprefix(group).lower(): environ[name] for name in environ if name.startswith(group)
        }
        return Log.model_validate(values)
    except (TypeError, ValueError):  # of pydantic, too
        return Log()


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. Raises ``SettingsError``, its text one line naming the setting."""
    environ = os.environ if environ is None else environ
    values: dict[str, dict[str, Any]] = {}
    origin: dict[tuple[str, ...], str] = {}
    if path := environ.get(CONFIG_VARIABLE):
        for stage, fields in _toml(Path(path)).items():
            if stage not in Settings.model_fields:
                raise SettingsError(f"{path}: [{stage}]: no such table; there are {_stages()}")
            if not isinstance(fields, dict):
                raise SettingsError(f"{path}: {stage!r} is not a table; write [{stage}]")
            values[stage] = dict(fields)
            origin |= {(stage, name): f"{path}: {stage}.{name}" for name in fields}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        stage, separator, name = variable.removeprefix(PREFIX).lower().partition("__")
        if not separator or stage not in Settings.model_fields:
            raise SettingsError(
                f"{variable}: no such setting; names are {PREFIX}<STAGE>__<FIELD>, stages {_stages()}"
            )
        values.setdefault(stage, {})[name] = text
        origin[stage, name] = variable
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_explain(error, origin)) from None


class BytewaxRun(NamedTuple):
    """What Bytewax is asked to do. ``recovery``: the store; ``addresses``: those of a cluster's processes."""

    recovery: Path | None
    addresses: tuple[str, ...]

    @property
    def cluster(self) -> bool:
        """Whether this is one process of several."""
        return len(self.addresses) > 1


def bytewax(arguments: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> BytewaxRun:
    """What the arguments of ``bytewax.run`` and Bytewax's own variables say; an argument wins."""
    environ = os.environ if environ is None else environ
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("-r", "--recovery-directory", default=environ.get("BYTEWAX_RECOVERY_DIRECTORY"))
    parser.add_argument("-a", "--addresses", default=environ.get("BYTEWAX_ADDRESSES"))
    options, _ = parser.parse_known_args(arguments)
    addresses = options.addresses.split(";") if options.addresses else []
    if not addresses and (path := environ.get("BYTEWAX_HOSTFILE_PATH")):
        with contextlib.suppress(OSError):
            addresses = Path(path).read_text(encoding="utf-8").split()
    store = options.recovery_directory
    return BytewaxRun(Path(store) if store else None, tuple(filter(None, map(str.strip, addresses))))


def changed(settings: Settings) -> dict[str, str]:
    """``stage.field`` -> value, of those that are not at their default; secrets are masked."""
    default, groups = Settings(), Settings.model_fields
    return {
        f"{stage}.{name}": _shown(value)
        for stage in groups
        for name, value in getattr(settings, stage)
        if value != getattr(getattr(default, stage), name)
    }


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _stages() -> str:
    return ", ".join(Settings.model_fields)


def _toml(path: Path) -> dict[str, Any]:
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{CONFIG_VARIABLE}={path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{CONFIG_VARIABLE}={path}: not TOML: {error}") from None
    return tables


def _explain(error: ValidationError, origin: Mapping[tuple[str, ...], str]) -> str:
    """The first problem of ``error`` as one line; a secret's value is never shown."""
    first = error.errors(include_url=False)[0]
    where = tuple(str(part) for part in first["loc"])
    name = origin.get(where[:2], ".".join(where))
    if first["type"] == "extra_forbidden":
        group = Settings.model_fields[where[0]].annotation if where[0] in Settings.model_fields else None
        known = ", ".join(getattr(group, "model_fields", Settings.model_fields))
        return f"{name}: no such setting; there are {known}"
    message = first["msg"].removeprefix("Value error, ")
    shown = "" if "password" in name.lower() or len(where) < 2 else f"={first['input']!r}"
    return f"{name}{shown}: {message}"
