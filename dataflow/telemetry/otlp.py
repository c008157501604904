"""The tracer that sends spans over OTLP (gRPC).

OpenTelemetry's own variables set the destination and the sampling: ``OTEL_EXPORTER_OTLP_*``,
``OTEL_SERVICE_NAME``, ``OTEL_TRACES_SAMPLER``, ``OTEL_BSP_*``. Only this module imports opentelemetry.
"""

import logging
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from threading import Event, Lock, Thread
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import inject
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import dataflow
from dataflow.clock import rfc3339
from dataflow.items.marks import Marked
from dataflow.items.rows import segments
from dataflow.items.windows import WholeWindows
from dataflow.telemetry.tracer import Attribute, Request, Span

_LONGEST_STOP_SECONDS = 3.0
_LONGEST_SILENCE_SECONDS = 60.0
#: How many batches of each partition the tracer remembers.
_REMEMBERED = 1024
_PARENT = "traceparent"
_W3C = TraceContextTextMapPropagator()


class OtlpTracer:
    """A ``Tracer`` that sends spans. Raises ``ValueError`` if one of OpenTelemetry's variables is wrong."""

    def __init__(self) -> None:
        named = {"service.name": "driftline", **OTELResourceDetector().detect().attributes}
        self._provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("driftline", dataflow.__version__)
        self._recent = _Recent()
        # The thread starts now, because CPython 3.12 starts no threads while the interpreter shuts down.
        self._stopping = Event()
        self._stopper = Thread(target=self._shut_down, daemon=True)
        self._stopper.start()
        logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter").addFilter(_once_a_minute())

    def read(self, raw: pa.RecordBatch) -> Span:
        if not len(raw):
            return nullcontext()
        offsets, partition = raw.column("offset"), raw.column("partition")[0].as_py()
        first, last = offsets[0].as_py(), offsets[-1].as_py()
        span = self._begin(
            "decode", None, [], {"partition": partition, "offset.first": first, "offset.last": last}, len(raw)
        )
        self._recent.add(partition, first, span.get_span_context())
        return _open(span)

    def span(self, name: str, batches: Sequence[Marked], **attributes: Attribute) -> Span:
        parents = list({batch.trace: None for batch in batches if batch.trace})
        if not parents:
            return nullcontext()
        first, *others = (_W3C.extract({_PARENT: parent}) for parent in parents)
        links = [trace.get_current_span(other).get_span_context() for other in others]
        return _open(self._begin(name, first, links, attributes, sum(map(len, batches))))

    def windows(self, rows: pa.RecordBatch, windows: WholeWindows) -> Span:
        keys = segments(rows).keys.to_pylist()
        starts, ends, revisions = zip(*(windows.window(key).ref for key in keys), strict=True)
        attributes: dict[str, Attribute] = {
            "windows": len(keys),
            "window.start": rfc3339(min(starts)),
            "window.end": rfc3339(max(ends)),
            "window.revision": max(revisions),
        }
        return _open(self._begin("window", None, self._recent.spans(rows), attributes, len(rows)))

    def _begin(
        self,
        name: str,
        parent: context.Context | None,
        links: Iterable[trace.SpanContext],
        attributes: dict[str, Attribute],
        rows: int,
    ) -> trace.Span:
        """Start a span within ``parent``; ``None``: start a new trace."""
        return self._tracer.start_span(
            name,
            parent or context.Context(),
            attributes=_prefixed({"rows": rows, **attributes}),
            links=[trace.Link(span) for span in links],
        )

    def request(self, service: str, method: str, **attributes: Attribute) -> Request:
        rpc: dict[str, Attribute] = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
        kind = trace.SpanKind.CLIENT
        span = self._tracer.start_span(
            f"{service}/{method}", kind=kind, attributes=rpc | _prefixed(attributes)
        )
        return _Request(span)

    def mark(self) -> str | None:
        carrier: dict[str, str] = {}
        _W3C.inject(carrier)
        return carrier.get(_PARENT)

    def stop(self) -> None:
        self._stopping.set()
        self._stopper.join(_LONGEST_STOP_SECONDS)

    def _shut_down(self) -> None:
        # In a thread of its own, because OpenTelemetry may take minutes when no collector answers.
        self._stopping.wait()
        self._provider.shutdown()


@contextmanager
def _open(span: trace.Span) -> Iterator[None]:
    # OpenTelemetry would record an exception with its message, which may quote an event.
    with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield
        except Exception as error:
            span.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise


class _Request:
    def __init__(self, span: trace.Span) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        inject(carrier, trace.set_span_in_context(span))
        self.metadata = list(carrier.items())

    def until(self, future: Any) -> None:
        future.add_done_callback(self._end)

    def _end(self, future: Any) -> None:
        code = future.code()
        self._span.set_attribute("rpc.grpc.status_code", code.value[0])
        if code.value[0]:
            self._span.set_status(trace.StatusCode.ERROR, code.name)
        self._span.end()


class _Recent:
    """The spans of the last batches of each partition, to find the batch in which a row was read."""

    def __init__(self) -> None:
        # partition -> the first offset of each batch, and its span
        self._batches: defaultdict[str, deque[tuple[int, trace.SpanContext]]]
        self._batches = defaultdict(lambda: deque(maxlen=_REMEMBERED))
        self._lock = Lock()

    def add(self, partition: str, first: int, span: trace.SpanContext) -> None:
        with self._lock:
            self._batches[partition].append((first, span))

    def spans(self, rows: pa.RecordBatch) -> Iterable[trace.SpanContext]:
        """The spans of the batches in which ``rows`` (columns ``partition`` and ``offset``) were read, each
        span once.
        """
        for partition in pc.unique(rows.column("partition")).to_pylist():
            with self._lock:
                batches = list(self._batches.get(partition, ()))
            if not batches:
                continue
            offsets = rows.filter(pc.equal(rows.column("partition"), partition)).column("offset").to_numpy()
            indices = np.searchsorted([first for first, _ in batches], offsets, "right") - 1
            for index in np.unique(indices[indices >= 0]).tolist():
                yield batches[index][1]


def _prefixed(attributes: dict[str, Attribute]) -> dict[str, Attribute]:
    return {f"driftline.{name}": value for name, value in attributes.items()}


def _once_a_minute() -> Any:
    """A log filter that passes one record a minute. Without it, each batch of spans that an unreachable
    collector does not take would be logged.
    """
    logged = -_LONGEST_SILENCE_SECONDS

    def passes(record: logging.LogRecord) -> bool:
        nonlocal logged
        now = time.monotonic()
        due = now - logged >= _LONGEST_SILENCE_SECONDS
        logged = now if due else logged
        return due

    return passes
