"""What is posted: the body for each kind of receiver, made of a row of ``ALERT``."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import orjson

from dataflow.errors import SettingsError
from dataflow.sink.webhook.alertmanager import alertmanager
from dataflow.sink.webhook.pagerduty import SEVERITIES, pagerduty
from dataflow.sink.webhook.slack import slack

#: Takes a row of ``ALERT`` as JSON, and returns a body as JSON. The same row always gives the same body.
Render: TypeAlias = Callable[[bytes], bytes]

#: Format -> the options that it has in the fragment of a URI.
FORMATS: Mapping[str, tuple[str, ...]] = {
    "json": (),
    "slack": (),
    "pagerduty": ("routing_key", "severity"),
    "alertmanager": (),
}


def render(name: str, options: Mapping[str, str]) -> Render:
    """What makes the bodies of the format ``name``. Raises ``SettingsError`` for a wrong option."""
    if name not in FORMATS:
        raise SettingsError(f"format={name}: there are {', '.join(FORMATS)}")
    for option in options:
        if option not in FORMATS[name]:
            known = ", ".join(("format", "header", *FORMATS[name]))
            raise SettingsError(f"no such option {option!r} of the format {name}; there are {known}")
    if name == "json":
        return bytes
    if name == "pagerduty":
        return _pagerduty(options)
    return _of_row({"slack": slack, "alertmanager": alertmanager}[name])


def _pagerduty(options: Mapping[str, str]) -> Render:
    severity = options.get("severity", "warning")
    if severity not in SEVERITIES:
        raise SettingsError(f"severity={severity}: there are {', '.join(SEVERITIES)}")
    if not options.get("routing_key"):
        raise SettingsError("the format pagerduty needs routing_key={NAME}, the integration key of a service")
    return _of_row(lambda row: pagerduty(row, options["routing_key"], severity))


def _of_row(make: Callable[[Mapping[str, Any]], Any]) -> Render:
    return lambda row: orjson.dumps(make(orjson.loads(row)))
