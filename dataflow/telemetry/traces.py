"""Spans of the stages, if ``log.traces`` asks for them: who waited for what, batch by batch. Off, it is free.

::

    decode -> embed -> requests to the model server        a trace a micro-batch
    window -> score -> sink                                a trace a window

A micro-batch ends where its rows are split over windows; so a window's span has links to the micro-batches
that its rows came in, as far as this process has read them and remembers. Between two steps a record batch
carries its span in its schema's metadata, which no state and no sink ever sees.
"""

from dataflow import settings
from dataflow.errors import SettingsError
from dataflow.telemetry.tracer import NoTracer, Tracer

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
