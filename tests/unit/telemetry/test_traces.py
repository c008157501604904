"""Opening a tracer, without a collector."""

import pyarrow as pa
import pytest

from dataflow.errors import SettingsError
from dataflow.items.marks import Marked
from dataflow.settings import Log
from dataflow.telemetry.tracer import NO_TRACER
from dataflow.telemetry.traces import open_tracer

ROWS = pa.record_batch({"partition": ["p"], "offset": [0]})


def test_without_traces_there_are_no_spans() -> None:
    tracer = open_tracer(Log())
    assert tracer is NO_TRACER
    with tracer.read(ROWS), tracer.span("embed", [Marked(ROWS)]), tracer.window(ROWS, 0, 1, 0):
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
