"""Embeddings through shared memory (``embed.transport``): the server writes them where this process reads.

Without it, an embedding is copied from the server into a message, through the kernel, and out of the message.
Texts go over gRPC either way, and so do checksums, which prove whose answer is in the memory.
"""

import logging
import threading
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
from tritonclient.grpc import service_pb2

from dataflow.embed.triton.region import FOLDER, Region, Slot, leftovers
from dataflow.settings import Embed
from dataflow.telemetry.logs import Line

#: The metadata in which a server asks for its key, as the sidecar and the image of Triton are started.
KEY_METADATA = "triton-grpc-protocol-driftline-key"

_LOGGER = logging.getLogger(__name__)
_QUICK_SECONDS = 5.0
#: How long answers come over gRPC before shared memory is tried again.
_PAUSE_SECONDS = 10.0
#: A server never gives up a region with a request that was cancelled. This many such regions are made.
_MOST_GIVEN_UP = 3


class Shared:
    """The shared memory of one connection. Safe to share between threads.

    ``stub``: that of the server. ``slots``, ``slot_bytes``: how many answers have room at a time, and of
    which size. ``key_file``: holds the server's key.
    """

    def __init__(
        self,
        stub: Any,
        server: str,
        slots: int,
        slot_bytes: int,
        key_file: Path | None,
        *,
        folder: Path = FOLDER,
        clock: Callable[[], float] = time.monotonic,
        log: Callable[[str], None] = _LOGGER.warning,
    ) -> None:
        self._stub, self._server, self._key_file, self._folder = stub, server, key_file, folder
        self._slots, self._slot_bytes = slots, slot_bytes
        self._clock, self._log = clock, log
        self._lock = threading.Lock()
        self._region: Region | None = None
        self._given_up, self._not_before, self._closed = 0, 0.0, False

    def open(self) -> str:
        """Make and register a region. Returns why that is not possible, or nothing."""
        try:
            for name in leftovers(self._folder):
                self._unregister(name)
            region = Region(self._slots, self._slot_bytes, self._folder)
        except OSError as error:
            size = f"{self._slots * self._slot_bytes / 1e6:.0f} MB"
            return f"{self._folder} has no room for {size}: {error.strerror}"
        request = service_pb2.SystemSharedMemoryRegisterRequest(
            name=region.name, key=f"/{region.name}", offset=0, byte_size=region.size
        )
        try:
            self._stub.SystemSharedMemoryRegister(request, timeout=_QUICK_SECONDS, metadata=self._metadata())
        except grpc.RpcError as error:
            region.close()
            return _why(error, self._key_file)
        except OSError as error:
            region.close()
            return f"{self._key_file}: {error.strerror}"
        self._region = region
        return ""

    def take(self) -> Slot | None:
        """A slot for an answer; ``None``: let it come over gRPC."""
        region = self._region
        slot = region.take() if region else None
        is_over = region is None or region.given_up == self._slots
        if slot is None and is_over and self._clock() >= self._not_before:
            self.replace(region, "no request ended with an answer")
            slot = self._region.take() if self._region else None
        return slot

    def replace(self, before: Region | None, cause: str) -> None:
        """Make another region in place of ``before``, unless another thread has done that.

        ``cause``: why; for example that the server does not know it, because the server has started again.
        """
        with self._lock:
            if self._region is not before or self._closed:
                return
            self._not_before = self._clock() + _PAUSE_SECONDS
            if before:
                self._region = None
                self._given_up += not self._unregister(before.name)
                before.close()
            why = self.open() if self._given_up <= _MOST_GIVEN_UP else cause
            if why and before:
                self.say(why)

    def close(self) -> None:
        """Unregister and remove the region. A second call does nothing."""
        with self._lock:
            self._closed = True
            region, self._region = self._region, None
            if region:
                self._unregister(region.name)
                region.close()

    def say(self, cause: str) -> None:
        """Log that embeddings come over gRPC, and why."""
        sentence = f"embeddings of Triton at {self._server} come over gRPC, not through shared memory"
        self._log(Line("shared_memory_off", f"{sentence}: {cause}", server=self._server, cause=cause))

    def _unregister(self, name: str) -> bool:
        """Whether the server has given up the region; a server that never knew it has."""
        request = service_pb2.SystemSharedMemoryUnregisterRequest(name=name)
        try:
            self._stub.SystemSharedMemoryUnregister(
                request, timeout=_QUICK_SECONDS, metadata=self._metadata()
            )
        except grpc.RpcError as error:
            return "in use" not in str(error.details())
        except OSError:  # the key cannot be read
            return True
        return True

    def _metadata(self) -> list[tuple[str, str]]:
        """The server makes a new key at each start, so it is read each time."""
        if self._key_file is None:
            return []
        return [(KEY_METADATA, self._key_file.read_text(encoding="ascii").strip())]


def wanted(options: Embed) -> bool:
    """Whether shared memory is to be tried: ``auto`` tries it if the address of the server is loopback."""
    if options.transport != "auto":
        return options.transport == "shm"
    host = options.url.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _why(error: grpc.RpcError, key_file: Path | None) -> str:
    details = " ".join(str(error.details()).split())
    if KEY_METADATA in details:
        held = f"{key_file} holds another" if key_file else "set DRIFTLINE_EMBED__KEY_FILE"
        return f"the server asks for its key; {held}"
    return details[:300]
