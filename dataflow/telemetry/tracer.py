"""What a tracer is."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import pyarrow as pa

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
