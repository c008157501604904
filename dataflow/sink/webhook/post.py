"""One post over HTTP: what is sent, and what an answer means."""

import http.client
import os
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from threading import Event, Timer
from typing import Literal

from dataflow.clock import Clock
from dataflow.errors import SettingsError

#: So many bytes of an answer are read.
_MOST_BYTES = 4096
#: Statuses that are about what was sent: the same change would be refused again. Each other status is about
#: the receiver, its address or its credentials, which somebody can repair: the change waits.
_ABOUT_THE_CONTENT = frozenset({400, 413, 414, 415, 422, 431})
_LONGEST_RETRY_AFTER_S = 3600.0

#: ``taken``: the receiver has the change; ``refused``: it does not take this change; ``failed``: it takes
#: nothing now.
Result = Literal["taken", "refused", "failed"]


@dataclass(frozen=True)
class Address:
    """Where to post. ``target``: path and query. ``target`` and ``headers`` may hold secrets."""

    host: str
    port: int | None
    #: ``None``: without TLS.
    tls: ssl.SSLContext | None
    target: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What came of a post. ``status``: ``None``: no answer came. ``said``: the beginning of the answer.

    ``cause``: one phrase for the log, without anything that the receiver said. ``retry_after``: seconds, as
    the receiver wishes.
    """

    status: int | None
    cause: str
    said: str = ""
    retry_after: float | None = None

    @property
    def result(self) -> Result:
        """What the answer means."""
        if self.status is not None and 200 <= self.status < 300:
            return "taken"
        return "refused" if self.status in _ABOUT_THE_CONTENT else "failed"


def post(address: Address, headers: Mapping[str, str], body: bytes, timeout_s: float, clock: Clock) -> Answer:
    """Post ``body``. Raises nothing if the receiver does not answer. A redirect is an answer like another.

    ``timeout_s`` limits the connection to each address of the host, and then the rest of the post. ``clock``:
    for a time in ``Retry-After``.
    """
    connection = connect(address, timeout_s)
    # The timeout of a socket limits each read. A receiver could send one byte at a time.
    late = Event()
    deadline = Timer(timeout_s, _cut, [connection, late])
    deadline.daemon = True
    try:
        connection.connect()
        deadline.start()
        connection.request("POST", address.target, body, {**address.headers, **headers})
        response = connection.getresponse()
        said = response.read(_MOST_BYTES).decode(errors="replace")
        wish = response.headers.get("Retry-After")
        return Answer(response.status, f"status {response.status}", said, _seconds(wish, clock()))
    except (OSError, http.client.HTTPException) as error:
        slow = late.is_set() or isinstance(error, TimeoutError)
        return Answer(None, f"no answer in {timeout_s:g} s" if slow else cause(error))
    finally:
        deadline.cancel()
        connection.close()


def connect(address: Address, timeout_s: float) -> http.client.HTTPConnection:
    """A connection that is not open yet."""
    if address.tls is None:
        return http.client.HTTPConnection(address.host, address.port, timeout=timeout_s)
    return http.client.HTTPSConnection(address.host, address.port, timeout=timeout_s, context=address.tls)


def cause(error: Exception) -> str:
    """Why no answer came, without anything that the receiver said."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}; see webhook.ca"
    if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError):
        # The number of a failed look-up of a name is none of the operating system.
        return str(error.strerror) if isinstance(error, socket.gaierror) else os.strerror(error.errno)
    return type(error).__name__


def tls_context(ca: str | None) -> ssl.SSLContext:
    """TLS that checks the receiver. ``ca``: the path of the authorities; ``None``: those of the system.

    Raises ``SettingsError``.
    """
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        why = "no certificates in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingsError(f"webhook.ca={ca}: {why}") from None


def _cut(connection: http.client.HTTPConnection, late: Event) -> None:
    late.set()
    if connection.sock is not None:
        with suppress(OSError):
            # Not the method of the TLS socket, which another thread is reading.
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)


def _seconds(wish: str | None, now: datetime) -> float | None:
    """The seconds of ``Retry-After``, which are a number or a date; ``None`` for anything else.

    >>> _seconds("120", datetime(2026, 1, 1, tzinfo=timezone.utc))
    120.0
    >>> _seconds("Thu, 01 Jan 2026 00:00:30 GMT", datetime(2026, 1, 1, tzinfo=timezone.utc))
    30.0
    """
    if wish is None:
        return None
    if wish.isascii() and wish.isdigit():
        seconds = float(wish)
    else:
        try:
            at = parsedate_to_datetime(wish)
        except ValueError:
            return None
        seconds = (at.replace(tzinfo=at.tzinfo or timezone.utc) - now).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_S)
