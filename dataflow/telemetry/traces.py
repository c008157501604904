"""Spans of the stages, if ``log.traces`` asks for them. A span shows how long a step worked on a batch.

::

    decode -> embed -> requests to the model server        a trace for each micro-batch
    window -> score -> sink                                a trace for each window

The trace of a micro-batch ends where its rows are split over windows. The span of a window therefore links to
the micro-batches that its rows came in, as far as this process has read them and still remembers them.
"""

from dataflow.errors import SettingsError
from dataflow.settings import Log
from dataflow.telemetry.tracer import NO_TRACER, Tracer


def open_tracer(options: Log) -> Tracer:
    """The tracer that ``options`` ask for. Raises ``SettingsError`` if the tracer cannot be made."""
    if options.traces == "off":
        return NO_TRACER
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
