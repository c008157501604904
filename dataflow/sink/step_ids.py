"""The step id of each sink: the name under which the recovery store keeps the state of the sink."""

import hashlib

from dataflow.endpoints.uri import Uri, parse_uri
from dataflow.sink import Stream
from dataflow.sink.paths import real_path, table_path


def step_id(stream: Stream, uri: str) -> str:
    """The step id of the sink of ``stream`` that ``uri`` names.

    The id does not depend on the position of the URI in the settings, or on its spelling. Raises
    ``SettingsError`` if ``uri`` is not a URI.

    >>> step_id("scores", "out/scores.jsonl") == step_id("scores", "file:./out/../out/scores.jsonl")
    True
    """
    return f"sink_{stream}_{hashlib.sha256(_canonical(parse_uri(uri)).encode()).hexdigest()[:12]}"


def _canonical(uri: Uri) -> str:
    if uri.scheme == "file":
        return f"file:{real_path(uri)}"
    if uri.scheme in ("http", "https"):  # the query and the fragment are those of the webhook
        return str(uri)
    if uri.scheme == "delta":
        return f"delta:{table_path(uri)}"
    options = "&".join(f"{name}={value}" for name, value in sorted(uri.options.items()))
    return f"{uri.scheme}://{uri.authority}{uri.path}?{options}"
