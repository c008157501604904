"""URIs: one URI names a source or a sink, and holds its options (``?name=value&...``).

::

    events.jsonl   logs/*.log?format=text   file:a%20b.csv   file:///var/log/auth.log
    stdin:?format=csv   kafka://host:9092,other:9092/topic?start=latest   demo:?rate=100&seed=7

A text without a scheme is the path of a file. A ``?`` in a path starts the options only if ``name=`` follows
the ``?``, so a glob may contain ``?``. ``%3F`` is always a question mark.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from dataflow.errors import SettingsError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+._-]*):")
_OPTIONS = re.compile(r"\?(?=[A-Za-z_]\w*=[^?]*$)|\?$")
# Only `user:password@`: in abfss://container@account, no secret stands before the `@`.
_PASSWORD = re.compile(r":[^@]*@")


@dataclass(frozen=True)
class Uri:
    """The parts of a URI. ``path`` is percent-decoded; ``str(uri)`` is the text that the user wrote."""

    text: str
    scheme: str
    authority: str
    path: str
    options: Mapping[str, str]

    def __str__(self) -> str:
        return self.text

    def allow(self, *names: str) -> None:
        """Raise ``SettingsError`` if the URI has an option that is not in ``names``.

        >>> parse_uri("events.jsonl?format=text").allow("format")
        >>> parse_uri("events.jsonl?form=text").allow("format")
        Traceback (most recent call last):
        dataflow.errors.SettingsError: file: URI: no such option 'form'; there are format
        """
        for name in self.options:
            if name not in names:
                known = f"there are {', '.join(names)}" if names else f"{self.scheme}: takes none"
                raise SettingsError(f"{self.scheme}: URI: no such option {name!r}; {known}")

    def choice(self, name: str, *values: str) -> str:
        """The value of the option ``name``, which must be one of ``values``; the first value is the default.

        Raises ``SettingsError`` for another value.

        >>> parse_uri("stdin:?format=csv").choice("format", "jsonl", "csv", "text")
        'csv'
        >>> parse_uri("stdin:").choice("format", "jsonl", "csv", "text")
        'jsonl'
        """
        value = self.options.get(name, values[0])
        if value not in values:
            raise SettingsError(f"{self}: {name}={value}: must be one of {', '.join(values)}")
        return value


def parse_uri(text: str) -> Uri:
    """Split a URI, or the path of a file, into its parts.

    Raises ``SettingsError`` if the URI holds a password. The error does not repeat the URI.

    >>> uri = parse_uri("kafka://a:9092,b:9092/events?start=latest")
    >>> uri.scheme, uri.authority, uri.path, uri.options
    ('kafka', 'a:9092,b:9092', '/events', {'start': 'latest'})
    >>> parse_uri("logs/a?.log").path
    'logs/a?.log'
    """
    scheme, rest = "file", text
    if match := _SCHEME.match(text):
        scheme, rest = match[1].lower(), text[match.end() :]
    path, query = rest, ""
    if options := _OPTIONS.search(rest):
        path, query = rest[: options.start()], rest[options.end() :]
    authority = ""
    if path.startswith("//") and match:
        authority, slash, path = path[2:].partition("/")
        path = slash + path
    _refuse_secrets(scheme, authority, rest)
    return Uri(text, scheme, authority, unquote(path), dict(parse_qsl(query, keep_blank_values=True)))


def _refuse_secrets(scheme: str, authority: str, rest: str) -> None:
    web = scheme in ("http", "https")
    if _PASSWORD.search(authority) or (scheme == "kafka" and "@" in rest) or (web and "@" in authority):
        remedy = (
            "write #header=Authorization:Basic+{NAME}, and set DRIFTLINE_WEBHOOK__SECRETS='NAME=SECRET'"
            if web
            else "set DRIFTLINE_KAFKA__SASL_USERNAME and DRIFTLINE_KAFKA__SASL_PASSWORD"
        )
        raise SettingsError(f"{scheme}: URI: a user and a password do not belong in a URI; {remedy}")
    if web and authority.lower() == "hooks.slack.com" and "{" not in rest:
        raise SettingsError(
            f"{scheme}: URI: the path of a Slack webhook is a secret; write https://hooks.slack.com/services/"
            "{NAME}#format=slack, and set DRIFTLINE_WEBHOOK__SECRETS='NAME=T.../B.../...'"
        )
