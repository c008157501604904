"""The interface of a tracer for the stages, and the tracer that makes no spans."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import pyarrow as pa

from dataflow.items.marks import Marked
from dataflow.items.windows import WholeWindows

Attribute = str | int
Span = AbstractContextManager[object]


class Request(Protocol):
    """The span of a call to another server. It ends when the answer comes."""

    @property
    def metadata(self) -> Sequence[tuple[str, str]] | None:
        """Pairs of name and value to send as the gRPC metadata of the call."""

    def until(self, future: Any) -> None:
        """End the span when ``future``, a gRPC future, is done."""


class Tracer(Protocol):
    """Makes the spans of a process; :class:`dataflow.telemetry.otlp.OtlpTracer` exports them."""

    def read(self, raw: pa.RecordBatch) -> Span:
        """Begin a trace with the first span of a ``RAW`` batch."""

    def span(self, name: str, batches: Sequence[Marked], **attributes: Attribute) -> Span:
        """A span that follows the spans in the marks of ``batches``; no span if the marks name none."""

    def windows(self, rows: pa.RecordBatch, windows: WholeWindows) -> Span:
        """Begin a trace with the first span of ``windows``, whose gathered rows are ``rows``."""

    def request(self, service: str, method: str, **attributes: Attribute) -> Request:
        """A span of a call, within the open span."""

    def mark(self) -> str | None:
        """The open span as text for ``Marked.trace``; ``None`` if no span is open."""

    def stop(self) -> None:
        """Send the spans that are not sent yet. This takes at most some seconds."""


class NoTracer:
    """A ``Tracer`` that makes no spans."""

    metadata = None

    def read(self, raw: pa.RecordBatch) -> Span:
        return nullcontext()

    def span(self, name: str, batches: Sequence[Marked], **attributes: Attribute) -> Span:
        return nullcontext()

    def windows(self, rows: pa.RecordBatch, windows: WholeWindows) -> Span:
        return nullcontext()

    def request(self, service: str, method: str, **attributes: Attribute) -> Request:
        return self

    def until(self, future: Any) -> None:
        pass

    def mark(self) -> str | None:
        return None

    def stop(self) -> None:
        pass


#: The tracer that makes no spans.
NO_TRACER = NoTracer()
