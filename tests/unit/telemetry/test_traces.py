"""Opening a tracer, without a collector."""

from typing import Any

import pyarrow as pa
import pytest

from dataflow.clock import rfc3339
from dataflow.errors import SettingsError
from dataflow.items.marks import Marked
from dataflow.items.rows import Rows
from dataflow.items.windows import KeyWindow, WholeWindows, WindowRef
from dataflow.settings import Log
from dataflow.telemetry.tracer import NO_TRACER
from dataflow.telemetry.traces import open_tracer

ROWS = pa.record_batch({"partition": ["p"] * 3, "offset": [0, 1, 7], "key": ["j", "k", "k"]})
MINUTE = 60_000_000
WINDOWS = {
    "j": KeyWindow(WindowRef(MINUTE, 3 * MINUTE, 0)),
    "k": KeyWindow(WindowRef(0, MINUTE, 2)),
}


def test_without_traces_there_are_no_spans() -> None:
    tracer = open_tracer(Log())
    assert tracer is NO_TRACER
    with (
        tracer.read(ROWS),
        tracer.span("embed", [Marked(ROWS)]),
        tracer.windows(ROWS, WholeWindows(WINDOWS, [Rows(ROWS)])),
    ):
        assert tracer.mark() is None
        request = tracer.request("service", "method")
        assert request.metadata is None
        request.until(object())
    tracer.stop()


def test_a_wrong_variable_of_opentelemetry_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.sdk")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-1")
    with pytest.raises(
        SettingsError, match=r"log\.traces=otlp: one of OpenTelemetry's variables OTEL_\*: "
    ) as caught:
        open_tracer(Log(traces="otlp"))
    assert "\n" not in str(caught.value)


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An exporter that keeps the spans of a tracer."""
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter = memory.InMemorySpanExporter()
    monkeypatch.setattr("dataflow.telemetry.otlp.OTLPSpanExporter", lambda: exporter)
    return exporter


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        (WINDOWS, {"window.start": 0, "window.end": 3 * MINUTE, "window.revision": 2}),
        (WINDOWS["j"], {"window.start": MINUTE, "window.end": 3 * MINUTE, "window.revision": 0}),
    ],
    ids=["of each key", "of all keys"],
)
def test_a_span_covers_the_windows_that_are_scored_together(
    exported: Any, windows: dict[str, KeyWindow] | KeyWindow, expected: dict[str, int]
) -> None:
    tracer = open_tracer(Log(traces="otlp"))
    with tracer.read(ROWS.slice(0, 2)):
        pass
    with tracer.windows(ROWS, WholeWindows(windows, [Rows(ROWS)])):
        pass
    tracer.stop()
    batch, span = exported.get_finished_spans()
    found = {name.removeprefix("driftline."): value for name, value in span.attributes.items()}
    times = {name: rfc3339(expected[name]) for name in ("window.start", "window.end")}
    assert found == {"rows": 3, "windows": 2} | expected | times
    assert [link.context.span_id for link in span.links] == [batch.context.span_id]
