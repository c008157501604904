"""A receiver of webhooks, which is a real HTTP server in a thread, and changes of incidents to post."""

import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any

import pyarrow as pa

from dataflow.endpoints.uri import parse_uri
from dataflow.items.alerts import ALERT, ALERT_FORMAT
from dataflow.settings import Settings, load
from dataflow.sink.webhook import WebhookSink, receiver_of
from dataflow.sink.webhook.delivery import Waits
from tests.support.ports import free_port

#: Waits that are over at once, for a test that has no time.
SHORT = Waits(first=0.001, longest=0.004)
NOON = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Post:
    """What the receiver got. The names of headers are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]


@dataclass(frozen=True)
class Reply:
    """How the receiver answers. ``status``: 0: it closes the connection; -1: it hangs; -2: it sends a byte
    now and then.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"


CLOSES, HANGS, DRIPS = Reply(0), Reply(-1), Reply(-2)


class Receiver:
    """``answer`` decides how a post is answered. ``posts``: all posts; ``taken``: those with status 2xx."""

    def __init__(self, answer: Callable[[Post], Reply] = lambda _: Reply()) -> None:
        self.answer, self.port = answer, free_port()
        self.posts: list[Post] = []
        self.taken: list[Post] = []
        self.tls: ssl.SSLContext | None = None
        self._lock, self._released = Lock(), Event()
        self._server: ThreadingHTTPServer | None = None

    @property
    def uri(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/hook"

    def __enter__(self) -> "Receiver":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._released.clear()
        server = self._server = _Server(("127.0.0.1", self.port), _handler(self))
        if self.tls:
            server.socket = self.tls.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Nobody listens at the port any more."""
        self._released.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def take(self, post: Post) -> Reply:
        with self._lock:
            self.posts.append(post)
            reply = self.answer(post)
            if 200 <= reply.status < 300:
                self.taken.append(post)
        return reply

    def hang(self, seconds: float | None = None) -> bool:
        """Wait until the receiver stops, or ``seconds`` are over. Return whether it stops."""
        return self._released.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the tests."""


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = receiver.take(Post(self.path, headers, body))
            if reply == HANGS:
                receiver.hang()
            while reply == DRIPS and not receiver.hang(0.05):
                self.wfile.write(b"H")
            if reply.status <= 0:
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def row(incident: str = "a", sequence: int = 0, **more: Any) -> dict[str, Any]:
    """A row of ``ALERT``."""
    at = NOON + timedelta(minutes=sequence)
    example = {"id": "e", "ts": NOON, "text": "disk is full", "anomaly": 3.5}
    return {
        "format": ALERT_FORMAT,
        "kind": "events",
        "incident": incident,
        "sequence": sequence,
        "state": "updated" if sequence else "open",
        "key": "payments",
        "decided": at,
        "window_start": at - timedelta(minutes=10),
        "window_end": at,
        "first_ts": NOON - timedelta(minutes=5),
        "last_ts": at - timedelta(seconds=1),
        "count": sequence + 1,
        "peak": 3.5,
        "p_value": 10**-3.5,
        "threshold": 3.0,
        "cluster": 1,
        "merged_into": None,
        "examples": [example | {"nearest": None, "nearest_ts": None, "explanation": None}],
        "message": f'{sequence + 1} unusual events, the most unusual: "disk is full"',
        "event_ids": [f"e{sequence}"],
        "left_ids": [],
        "unnamed": 0,
        "budget_per_day": 20.0,
        "budget_of": "stream",
        "realised_per_day": 3,
    } | more


def batch(*rows: dict[str, Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(list(rows), schema=ALERT)


def settings(uri: str, **webhook: str) -> Settings:
    """``webhook``: settings of the group. The timeout is short, and nothing limits the rate, if not given."""
    given = {"rate": "1000000", "timeout": "2s", "drain": "30s"} | webhook
    variables = {f"DRIFTLINE_WEBHOOK__{name.upper()}": value for name, value in given.items()}
    return load({"DRIFTLINE_SINK__ALERTS": uri, **variables})


def partition(options: Settings, state: Any = None, waits: Waits = SHORT) -> Any:
    """The partition of the sink that ``options`` name. Its folder must exist."""
    (uri,) = options.sink.alerts
    sink = WebhookSink(receiver_of(options, parse_uri(uri), "alerts"), options.webhook, waits)
    (name,) = sink.list_parts()
    return sink.build_part("s", name, state)


def identity(post: Post) -> tuple[str, int]:
    """The incident and the sequence of a change in the format ``json``."""
    found = json.loads(post.body)
    return found["incident"], found["sequence"]
