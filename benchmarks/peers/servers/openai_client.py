"""A client of servers with OpenAI's interface for embeddings, with several requests in flight.

Embeddings come in base64, as OpenAI's own client asks for them.
"""

import base64
import http.client
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import orjson

from benchmarks.peers.servers.encoders import Vectors

_TIMEOUT_S = 600.0


class OpenAIClient:
    """``rows``: texts in a request. ``in_flight``: requests at a time, each on a connection that is kept.

    A context manager, whose end closes the connections.
    """

    def __init__(self, port: int, path: str, rows: int, in_flight: int) -> None:
        self._port, self._path, self._rows = port, path, rows
        self._threads = ThreadPoolExecutor(in_flight)
        self._of_thread = threading.local()
        self._connections: list[http.client.HTTPConnection] = []

    def __enter__(self) -> "OpenAIClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()
        for connection in self._connections:
            connection.close()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """``(n, dim)``. Raises ``RuntimeError`` if the server refuses a request."""
        parts = [texts[first : first + self._rows] for first in range(0, len(texts), self._rows)]
        return np.concatenate(list(self._threads.map(self._request, parts)))

    def _request(self, texts: Sequence[str]) -> Vectors:
        body = orjson.dumps({"model": "peer", "input": list(texts), "encoding_format": "base64"})
        try:
            status, answer = self._post(self._connection(), body)
        except ConnectionError:  # servers close a connection that was idle for seconds
            status, answer = self._post(self._connection(new=True), body)
        if status != http.client.OK:
            raise RuntimeError(f"{self._path} answers {status}: {answer[:200]!r}")
        rows = sorted(orjson.loads(answer)["data"], key=lambda row: row["index"])
        return np.stack([np.frombuffer(base64.b64decode(row["embedding"]), np.float32) for row in rows])

    def _post(self, connection: http.client.HTTPConnection, body: bytes) -> tuple[int, bytes]:
        connection.request("POST", self._path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()

    def _connection(self, *, new: bool = False) -> http.client.HTTPConnection:
        found: http.client.HTTPConnection | None = getattr(self._of_thread, "connection", None)
        if new and found:
            found.close()
        if new or not found:
            found = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_S)
            self._of_thread.connection = found
            self._connections.append(found)
        return found
