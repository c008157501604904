"""The settings of logs and traces."""

from datetime import timedelta
from typing import Literal

from dataflow.settings.group import Group
from dataflow.settings.values import Positive


class Log(Group):
    """Logs, on standard error, and traces. docs/reference/logs.md lists the log events."""

    format: Literal["text", "json"] = "text"
    """Form of a log line: ``text`` for a reader, ``json`` for a machine."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least important level that is logged."""

    texts: bool = False
    """Whether log lines may quote the texts of events."""

    interval: Positive = timedelta(minutes=1)
    """How often the counts of dead letters and late events are logged; longer than zero."""

    traces: Literal["off", "otlp"] = "off"
    """Where spans go: ``off`` makes none; ``otlp`` sends spans over OTLP to the destination that
    OpenTelemetry's own variables (``OTEL_*``) name.
    """
