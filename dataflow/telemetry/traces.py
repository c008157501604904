"""Opens the tracer that ``log.traces`` names. A span shows how long a step worked on a batch.

::

    decode -> embed -> requests to the model server        a trace for each batch of the source
    window -> score -> sink                                a trace for the windows that are scored together

The windows of several keys that close together are one item of the stream, so they have one trace. Its span
``window`` says how many windows these are, when the first of them begins and the last of them ends, and the
highest of their revisions.

The trace of a batch ends where the rows of the batch are split over windows. So the span ``window`` has links
to the batches that its rows came in, if this process has read these batches and still remembers their spans.
"""

from dataflow.errors import SettingsError
from dataflow.settings import Log
from dataflow.telemetry.tracer import NO_TRACER, Tracer


def open_tracer(options: Log) -> Tracer:
    """Open the tracer of ``options.traces``. Raises ``SettingsError`` if the tracer cannot be made."""
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
