"""Spans of the stages, if ``log.traces`` asks for them: who waited for what, batch by batch. Off, it is free.

::

    decode -> embed -> requests to the model server        a trace a micro-batch
    window -> score -> sink                                a trace a window

A micro-batch ends where its rows are split over windows; so a window's span has links to the micro-batches
that its rows came in, as far as this process has read them and remembers. Between two steps a record batch
carries its span in its schema's metadata, which no state and no sink ever sees.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import pyarrow as pa

from dataflow import settings
from dataflow.errors import SettingsError

Attribute = str | int
Span = AbstractContextManager[object]


class Request(Protocol):
    """A call to another server. ``metadata`` goes with it; it lasts until the answer."""

    @property
    def metadata(self) -> Sequence[tuple[str, str]] | None: ...

    def until(self, future: Any) -> None: ...


class Tracer(Protocol):
    """All spans of a process; :class:`dataflow.telemetry.otlp.OtlpTracer` is the one that makes some."""

    def read(self, raw: pa.RecordBatch) -> Span:
        """The first span of a ``RAW`` batch."""

    def span(self, name: str, of: Sequence[pa.RecordBatch], **attributes: Attribute) -> Span:
        """The next span of batches that were marked; none if none of them was."""

    def window(self, rows: pa.RecordBatch, start_us: int, end_us: int, revision: int) -> Span:
        """The first span of a window; times in microseconds since the Unix epoch."""

    def request(self, service: str, method: str, **attributes: Attribute) -> Request:
        """A span within the one that is open."""

    def marked(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with the span that is open."""

    def unmarked(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch as it was before."""

    def stop(self) -> None:
        """Send what has not been sent, for some seconds at most."""


class NoTracer:
    """A ``Tracer`` without spans."""

    metadata = None

    def read(self, raw: pa.RecordBatch) -> Span:
        return nullcontext()

    def span(self, name: str, of: Sequence[pa.RecordBatch], **attributes: Attribute) -> Span:
        return nullcontext()

    def window(self, rows: pa.RecordBatch, start_us: int, end_us: int, revision: int) -> Span:
        return nullcontext()

    def request(self, service: str, method: str, **attributes: Attribute) -> Request:
        return self

    def until(self, future: Any) -> None:
        pass

    def marked(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch

    unmarked = marked

    def stop(self) -> None:
        pass


_tracer: Tracer = NoTracer()


def current() -> Tracer:
    """The tracer of this process: one for all, as the log is."""
    return _tracer


def start(options: settings.Log) -> None:
    """Trace from now on, or no longer, as ``options`` say. Raises ``SettingsError`` if that cannot be."""
    global _tracer  # noqa: PLW0603
    _tracer.stop()
    _tracer = NoTracer() if options.traces == "off" else _otlp()


def _otlp() -> Tracer:
    try:
        from dataflow.telemetry.otlp import OtlpTracer  # noqa: PLC0415  an optional dependency
    except ImportError as error:
        raise SettingsError(
            f"log.traces=otlp needs {error.name}; install it with: pip install 'driftline[tracing]'"
        ) from None
    try:
        return OtlpTracer()
    except ValueError as error:
        raise SettingsError(f"log.traces=otlp: one of OpenTelemetry's variables OTEL_*: {error}") from None
