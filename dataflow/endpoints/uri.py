"""One URI says all of a source or a sink: where, and how (``?name=value&...``).

::

    events.jsonl   logs/*.log?format=text   file:a%20b.csv   file:///var/log/auth.log
    stdin:?format=csv   kafka://host:9092,other:9092/topic?start=latest   demo:?rate=100&seed=7

No scheme means a file. In a path a ``?`` starts the options only where ``name=`` follows it, so that
it still works in a glob; ``%3F`` is a question mark in any case.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from dataflow.errors import SettingsError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_OPTIONS = re.compile(r"\?(?=[A-Za-z_]\w*=[^?]*$)|\?$")
# The `@` of abfss://container@account is no secret.
_PASSWORD = re.compile(r":[^@]*@")


@dataclass(frozen=True)
class Uri:
    """A URI taken apart. ``path`` is percent-decoded; ``str(uri)`` is what the user wrote."""

    text: str
    scheme: str
    authority: str
    path: str
    options: Mapping[str, str]

    def __str__(self) -> str:
        return self.text

    def allow(self, *names: str) -> None:
        """Raise ``SettingsError`` if there is an option that is not in ``names``."""
        for name in self.options:
            if name not in names:
                known = f"there are {', '.join(names)}" if names else f"{self.scheme}: takes none"
                raise SettingsError(f"{self.scheme}: URI: no such option {name!r}; {known}")

    def choice(self, name: str, *values: str) -> str:
        """The option's value, one of ``values``, the first by default; else ``SettingsError``."""
        value = self.options.get(name, values[0])
        if value not in values:
            raise SettingsError(f"{self}: {name}={value}: must be one of {', '.join(values)}")
        return value


def parse(text: str) -> Uri:
    """Take a URI or a plain path apart. Raises ``SettingsError``, in one line, never with a secret."""
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
    if _PASSWORD.search(authority) or (scheme == "kafka" and "@" in rest):
        raise SettingsError(
            f"{scheme}: URI: a user and password do not belong in a URI; "
            f"set DRIFTLINE_KAFKA__SASL_USERNAME and DRIFTLINE_KAFKA__SASL_PASSWORD"
        )
    return Uri(text, scheme, authority, unquote(path), dict(parse_qsl(query, keep_blank_values=True)))
