"""A small schema registry that a test starts: it answers as that of Confluent does, and fails on demand."""

import json
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class FakeRegistry:
    """``schemas``: id -> what the registry answers. ``versions``: (subject, version) -> the same."""

    url: str = ""
    schemas: dict[int, dict[str, Any]] = field(default_factory=dict)
    versions: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    #: The status of the next answers, in order; 0: the connection is closed without an answer.
    failures: list[int] = field(default_factory=list)
    #: The path of each request, and its header of authorization.
    asked: list[str] = field(default_factory=list)
    users: list[str | None] = field(default_factory=list)

    def answer(self, path: str) -> dict[str, Any] | None:
        match path.partition("?")[0].strip("/").split("/"):
            case ["schemas", "ids", id]:
                return self.schemas.get(int(id))
            case ["subjects", subject, "versions", version]:
                found = self.versions.get((subject, int(version)))
                return found and {"subject": subject, "version": int(version), "id": 1000, **found}
        return None


@contextmanager
def registry() -> Iterator[FakeRegistry]:
    fake = FakeRegistry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fake.asked.append(self.path)
            fake.users.append(self.headers["Authorization"])
            status = fake.failures.pop(0) if fake.failures else 200
            if status == 0:
                self.close_connection = True
                return
            answer = fake.answer(self.path) if status == 200 else {"error_code": status, "message": "no"}
            body = json.dumps(answer or {"error_code": 40403, "message": "Schema not found"}).encode()
            self.send_response(status if answer else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        fake.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield fake
        server.shutdown()


def framed(id: int, payload: bytes) -> bytes:
    """A record as the serializers of Kafka write it."""
    return struct.pack(">bI", 0, id) + payload
