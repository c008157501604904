"""An object store that speaks as much of S3 as ``deltalake`` needs, in a process of its own.

A thread would not do: ``deltalake`` 1.6.6 holds the interpreter's lock while it waits for some answers.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import urlopen
from xml.sax.saxutils import escape


@dataclass(frozen=True)
class ObjectStore:
    """A store at ``url``."""

    url: str

    @property
    def options(self) -> dict[str, str]:
        """The storage options that reach this store; a request is not repeated."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "here",
            "AWS_ACCESS_KEY_ID": "me",
            "AWS_SECRET_ACCESS_KEY": "sesame",
            "max_retries": "0",
        }

    def set_away(self, away: bool) -> None:
        """From now on, every request gets the status 503, or none does."""
        self._control(f"away={away:d}")

    def users(self) -> set[str]:
        """The access keys that requests came with."""
        return set(self._control(""))

    def _control(self, query: str) -> Any:
        with urlopen(f"{self.url}/control?{query}") as answer:
            return json.loads(answer.read())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects: ClassVar[dict[str, bytes]] = {}
    users: ClassVar[set[str]] = set()
    away: ClassVar[list[bool]] = []

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", headers.get("length", str(len(body))))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _request(self) -> tuple[str, dict[str, str], bytes]:
        """The key, the query and the body."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        user = self.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
        self.users.update([user] if user else [])
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        return unquote(parts.path).partition("/")[2].partition("/")[2], query, body

    def do_GET(self) -> None:
        key, query, _ = self._request()
        if self.path.startswith("/control"):
            if "away" in query:
                self.away[:] = [True] * int(query["away"])
            self._answer(200, json.dumps(sorted(self.users)).encode())
        elif self.away:
            self._answer(503)
        elif "list-type" in query:
            self._list(query)
        elif key not in self.objects:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            self._give(self.objects[key])

    def do_HEAD(self) -> None:
        self.do_GET()

    def _give(self, content: bytes) -> None:
        tag = {"ETag": f'"{md5(content).hexdigest()}"', "Last_Modified": formatdate(0, usegmt=True)}
        wanted = self.headers.get("Range")
        if not wanted:
            self._answer(200, content, **tag)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = int(first) if first else len(content) - int(last)
        end = min(int(last), len(content) - 1) if first and last else len(content) - 1
        where = f"bytes {start}-{end}/{len(content)}"
        self._answer(206, content[start : end + 1], Content_Range=where, **tag)

    def _list(self, query: dict[str, str]) -> None:
        prefix, after, slash = (query.get(name, "") for name in ("prefix", "start-after", "delimiter"))
        entries, folders = [], set()
        for key in sorted(self.objects):
            if not key.startswith(prefix) or key <= after:
                continue
            below, found, _ = key.removeprefix(prefix).partition(slash) if slash else (key, "", "")
            if found:
                folders.add(f"{prefix}{below}/")
            else:
                entries.append(
                    f"<Contents><Key>{escape(key)}</Key><LastModified>1970-01-01T00:00:00.000Z</LastModified>"
                    f"<ETag>e</ETag><Size>{len(self.objects[key])}</Size></Contents>"
                )
        entries += [f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in folders]
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(entries)}</ListBucketResult>"
        self._answer(200, body.encode())

    def do_PUT(self) -> None:
        key, query, body = self._request()
        if self.away or "partNumber" in query:
            self._answer(503)
        elif self.headers.get("If-None-Match") == "*" and key in self.objects:
            self._answer(412)
        else:
            self.objects[key] = body
            self._answer(200, ETag=f'"{md5(body).hexdigest()}"')

    def do_DELETE(self) -> None:
        self.objects.pop(self._request()[0], None)
        self._answer(204)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the tests."""


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """A store that runs until the block ends."""
    command = [sys.executable, __file__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield ObjectStore(process.stdout.readline().strip())
        finally:
            process.kill()


if __name__ == "__main__":
    server = _Server(("127.0.0.1", 0), _Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
