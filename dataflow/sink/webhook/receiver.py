"""The receiver that the URI of a webhook names: its address, its headers, its format."""

import hashlib
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

import dataflow
from dataflow.clock import utc_now
from dataflow.endpoints.uri import Uri
from dataflow.errors import SettingsError, SourceError, UnreachableError
from dataflow.items.alerts import ALERT_FORMAT
from dataflow.settings import Settings, secrets_of
from dataflow.sink.webhook.formats import Render, render
from dataflow.sink.webhook.post import Address, Answer, cause, connect, post, tls_context
from dataflow.sink.webhook.spool import Change

_NAME = re.compile(r"\{([A-Za-z_]\w*)\}")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*([\x20-\x7e]+)")
_HOST = re.compile(r"[A-Za-z0-9.:_-]+")
#: Headers that say what is posted, so a URI cannot set them.
_OURS = {
    "content-type",
    "content-length",
    "transfer-encoding",
    "host",
    "connection",
    "user-agent",
    "idempotency-key",
    "driftline-schema",
}
#: Characters that may stand in the path or the query of a request.
_SAFE = "/?%:@!$&'()*+,;=-._~[]"


@dataclass(frozen=True)
class Receiver:
    """Where changes are posted, and how. ``name``: for logs, metrics and the file of the spool; it is the
    same for the same URI, and holds no secret.
    """

    name: str
    uri: str
    address: Address = field(repr=False)
    timeout_s: float
    _render: Render = field(repr=False)
    _secrets: tuple[tuple[str, str], ...] = field(repr=False)

    def post(self, change: Change) -> Answer:
        """Post a change. What the receiver says is returned without the secrets."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"driftline/{dataflow.__version__}",
            "Idempotency-Key": change.key,
            "Driftline-Schema": f"alert/{ALERT_FORMAT}",
            "Connection": "close",
        }
        answer = post(self.address, headers, self._render(change.row), self.timeout_s, utc_now)
        said = answer.said
        for name, secret in self._secrets:
            said = said.replace(secret, f"{{{name}}}").replace(quote(secret, safe=""), f"{{{name}}}")
        return Answer(answer.status, answer.cause, said, answer.retry_after)

    def reach(self) -> None:
        """Connect, and send nothing. Raises ``UnreachableError``, or ``SourceError`` if TLS fails."""
        connection = connect(self.address, self.timeout_s)
        try:
            connection.connect()
        except OSError as error:
            kind = SourceError if isinstance(error, ssl.SSLError) else UnreachableError
            raise kind(f"{self.uri}: no connection: {cause(error)}") from None
        finally:
            connection.close()


def receiver(settings: Settings, uri: Uri) -> Receiver:
    """The receiver that ``uri`` names. Connects to nothing. Raises ``SettingsError``."""
    try:
        return _receiver(settings, urlsplit(str(uri)), str(uri))
    except (SettingsError, ValueError) as error:
        raise SettingsError(f"sink.alerts={uri}: {error}") from None


def _receiver(settings: Settings, parts: SplitResult, uri: str) -> Receiver:
    host = parts.hostname or ""
    port = parts.port  # raises ValueError
    if not _HOST.fullmatch(host):
        raise SettingsError("write https://HOST:PORT/PATH#format=FORMAT")
    secrets = secrets_of(settings.webhook.secrets)
    fill = _filler(secrets)
    target = quote(fill((parts.path or "/") + (f"?{parts.query}" if parts.query else "")), safe=_SAFE)
    options, headers = _fragment(parts.fragment, fill)
    tls = tls_context(settings.webhook.ca) if parts.scheme == "https" else None
    return Receiver(
        f"{host.replace(':', '_')}-{hashlib.sha256(uri.encode()).hexdigest()[:8]}",
        uri,
        Address(host, port, tls, target, headers),
        settings.webhook.timeout.total_seconds(),
        render(options.pop("format", "json"), options),
        tuple(secrets.items()),
    )


def _filler(secrets: dict[str, str]) -> Callable[[str], str]:
    """What replaces each ``{NAME}`` by the secret of this name."""

    def secret(match: re.Match[str]) -> str:
        if match[1] not in secrets:
            raise SettingsError(
                f"there is no secret {match[1]!r}; set DRIFTLINE_WEBHOOK__SECRETS='{match[1]}=SECRET'"
            )
        return secrets[match[1]]

    return lambda text: _NAME.sub(secret, text)


def _fragment(text: str, fill: Callable[[str], str]) -> tuple[dict[str, str], dict[str, str]]:
    """The options and the headers in the fragment of a URI."""
    options: dict[str, str] = {}
    headers: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text)):
        if name != "header":
            options[name] = fill(value)
        elif not (match := _HEADER.fullmatch(fill(value))):
            raise SettingsError("write a header as #header=NAME:VALUE, a blank as +")
        elif match[1].lower() in _OURS:
            raise SettingsError(f"the header {match[1]} cannot be set; Driftline sets it")
        else:
            headers[match[1]] = match[2]
    return options, headers
