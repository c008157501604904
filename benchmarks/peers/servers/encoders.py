"""What turns texts into embeddings, and how it is measured: a server beside its client, or a library."""

import json
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.kit.processes import anonymous_bytes, cpu_seconds
from benchmarks.peers.processes import end_of

Vectors = npt.NDArray[np.float32]
#: Turns texts into ``(n, dim)``.
Send = Callable[[Sequence[str]], Vectors]


class Answer(NamedTuple):
    """``vectors``: ``(n, dim)``. ``seconds``: of each call, by the wall clock. ``cpu_s``: of all calls."""

    vectors: Vectors
    seconds: list[float]
    cpu_s: float


class Encoder(ABC):
    """``leader``: the process that leads the session of the server or of the library."""

    def __init__(self, leader: int) -> None:
        self._leader = leader

    @property
    def bytes(self) -> int:
        """Anonymous memory of the server or of the library, without the client."""
        return anonymous_bytes(self._leader)

    @abstractmethod
    def embed(self, texts: Sequence[str], *, alone: bool = False) -> Answer:
        """Embed ``texts`` in one call. ``alone``: one by one, each when the one before is done."""


class Server(Encoder):
    """A server that ``send`` asks. CPU time is that of the server and of its client, this process."""

    def __init__(self, leader: int, send: Send) -> None:
        super().__init__(leader)
        self._send = send

    def embed(self, texts: Sequence[str], *, alone: bool = False) -> Answer:
        found: list[Vectors] = []
        seconds: list[float] = []
        cpu = self._cpu_s()
        for call in [[text] for text in texts] if alone else [texts]:
            began = time.perf_counter()
            found.append(self._send(call))
            seconds.append(time.perf_counter() - began)
        return Answer(np.concatenate(found), seconds, self._cpu_s() - cpu)

    def _cpu_s(self) -> float:
        return time.process_time() + cpu_seconds(self._leader)


class Library(Encoder):
    """A library in an environment of its own, see :mod:`benchmarks.peers.servers.programs.library`.

    It measures itself, so that what goes through the pipe does not count. Raises ``RuntimeError`` with the
    end of ``log`` if the process ends.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        super().__init__(process.pid)
        self._process, self._log = process, log
        self._line()  # it says when the model is loaded

    def embed(self, texts: Sequence[str], *, alone: bool = False) -> Answer:
        assert self._process.stdin
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "vectors.npy")
            request = {"texts": list(texts), "alone": alone, "out": str(out)}
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            said = json.loads(self._line())
            return Answer(np.load(out), said["seconds"], said["cpu_s"])

    def _line(self) -> bytes:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended:\n{end_of(self._log)}")
        return line
