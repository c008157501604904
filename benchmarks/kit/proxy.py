"""A TCP proxy on the loopback interface that can refuse connections, be silent, or be slow."""

import socket
import threading
import time
from contextlib import suppress
from typing import Literal

from tests.support.ports import free_port

Mode = Literal["passes", "refuses", "silent", "slow"]
_CHUNK = 65_536
#: Bytes in a second of a slow connection, in each direction.
SLOW_BYTES = 20_000
_HOST = "127.0.0.1"


class Proxy:
    """Forwards connections to ``target`` (a port) while ``mode`` is ``passes``.

    ``refuses``: connections are closed, and nobody listens. ``silent``: connections stay open, and no byte
    passes. ``slow``: ``SLOW_BYTES`` a second pass.
    """

    def __init__(self, target: int = 0) -> None:
        self.target, self.port = target, free_port()
        self._mode: Mode = "passes"
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None

    def __enter__(self) -> "Proxy":
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.set_mode("refuses")

    def set_mode(self, mode: Mode) -> None:
        """How connections are treated from now on."""
        with self._changed:
            before, self._mode = self._mode, mode
            self._changed.notify_all()
        if mode == "refuses":
            self._close()
        elif before == "refuses":
            self._listen()

    def _listen(self) -> None:
        listener = self._listener = socket.create_server((_HOST, self.port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _close(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            listener.close()
        with self._changed:
            ends = list(self._open)
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection((_HOST, self.target))
        except OSError:
            client.close()
            return
        with self._changed:
            self._open |= {client, server}
            refused = self._mode == "refuses"
        if refused:
            client.close()
            server.close()
            return
        back = threading.Thread(target=self._forward, args=(server, client), daemon=True)
        back.start()
        self._forward(client, server)
        back.join()
        with self._changed:
            self._open -= {client, server}
        client.close()
        server.close()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                self._wait_while_silent()
                for start in range(0, len(data), 1024):
                    if self._mode == "slow":
                        time.sleep(len(data[start : start + 1024]) / SLOW_BYTES)
                    target.sendall(data[start : start + 1024])
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _wait_while_silent(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._mode != "silent")
