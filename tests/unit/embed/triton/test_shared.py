"""Shared memory with a server: who asks for which slot, what is given up, and when gRPC takes over."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import numpy as np
import pytest

from dataflow.embed.triton.call import Call
from dataflow.embed.triton.region import PREFIX
from dataflow.embed.triton.shared import KEY_METADATA, Shared, wanted
from dataflow.settings import Embed
from export import key
from tests.support.kserve import Code, Time, embedded

#: A number of float32, as bytes.
SEVEN = np.array([7], np.float32).tobytes()


class Failed(grpc.RpcError):  # type: ignore[misc]
    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


class Server:
    """Keeps the names of regions. ``held``: the regions that it does not give up. Asks for a key."""

    def __init__(self, key: str = "") -> None:
        self.key, self.regions, self.held = key, set[str](), set[str]()

    def SystemSharedMemoryRegister(self, request: Any, timeout: float, metadata: Any) -> None:  # noqa: N802
        if self.key and dict(metadata).get(KEY_METADATA) != self.key:
            details = f"This protocol is restricted, expecting header '{KEY_METADATA}'"
            raise Failed(Code.UNAVAILABLE, details)
        self.regions.add(request.name)

    def SystemSharedMemoryUnregister(self, request: Any, timeout: float, metadata: Any) -> None:  # noqa: N802
        if request.name in self.held:
            raise Failed(Code.INTERNAL, f"Cannot unregister '{request.name}', it is currently in use.")
        self.regions.discard(request.name)


class Future:
    """Answers, or fails with ``error``."""

    def __init__(self, answer: Any, error: Failed | None = None) -> None:
        self.answer, self.error, self.cancelled = answer, error, False

    def result(self) -> Any:
        if self.error:
            raise self.error
        return self.answer

    def cancel(self) -> None:
        self.cancelled = True


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def logged() -> list[str]:
    return []


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def shared(server: Server, tmp_path: Path, time: Time, logged: list[str]) -> Iterator[Shared]:
    made = Shared(server, "here:8001", 2, 64, None, folder=tmp_path, clock=time.clock, log=logged.append)
    assert made.open() == ""
    yield made
    made.close()
    made.close()
    assert not list(tmp_path.glob(f"{PREFIX}*"))


def call(shared: Shared, server: Server, error: Failed | None = None) -> tuple[Call, list[Any]]:
    """A call with an embedding of one float32, and the requests that it sent."""
    sent: list[Any] = []

    def send(request: Any) -> Any:
        into = request.outputs[0].parameters
        # Where the request says, or in the answer.
        sent.append(dict(into))
        inline = b"" if "shared_memory_region" in into else SEVEN
        if not inline and error is None:
            assert slot
            slot.region.memory[slot.offset : slot.offset + 4] = SEVEN
        from tritonclient.grpc import service_pb2  # noqa: PLC0415

        return Future(
            service_pb2.ModelInferResponse(raw_output_contents=[inline, b"check"]),
            error if not inline else None,
        )

    slot = shared.take()
    return Call(embedded(["a text"]), send, slot, 4, shared.replace), sent


def test_the_key_is_that_of_the_sidecar() -> None:
    assert key.METADATA == KEY_METADATA


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("127.0.0.1:8001", True),
        ("127.9.9.9:8001", True),
        ("localhost:8001", True),
        ("[::1]:8001", True),
        ("triton:8001", False),
        ("10.0.0.1:8001", False),
        ("localhost.example.org:8001", False),
    ],
)
def test_auto_tries_a_loopback_address_alone(url: str, here: bool) -> None:
    assert wanted(Embed(url=url, transport="auto")) is here
    assert wanted(Embed(url=url, transport="shm"))
    assert not wanted(Embed(url=url, transport="grpc"))


def test_an_answer_comes_through_its_slot_again_and_again(shared: Shared, server: Server) -> None:
    for _ in range(5):
        one, sent = call(shared, server)
        assert [name for name in sent[0] if name.startswith("shared")]
        assert one.result().raw == [SEVEN, b"check"]


def test_without_a_free_slot_the_answer_comes_over_grpc(shared: Shared, server: Server) -> None:
    open_calls = [call(shared, server)[0] for _ in range(2)]
    third, sent = call(shared, server)
    assert not sent[0]
    assert third.result().raw[0] == SEVEN
    for each in open_calls:
        each.result()
    assert call(shared, server)[1][0]


def test_after_a_restart_of_the_server_the_request_goes_over_grpc_and_the_next_through_a_new_region(
    shared: Shared, server: Server, logged: list[str]
) -> None:
    before = set(server.regions)
    server.regions.clear()
    lost = Failed(Code.NOT_FOUND, "Unable to find shared memory region: 'driftline'")
    one, sent = call(shared, server, lost)
    assert one.result().raw[0] == SEVEN
    assert [bool(parameters) for parameters in sent] == [True, False]
    assert len(server.regions) == 1
    assert server.regions != before
    assert not logged
    assert call(shared, server)[1][0]


def test_the_slot_of_a_request_without_an_answer_is_not_used_again(
    shared: Shared, server: Server, time: Time, logged: list[str]
) -> None:
    """The server may still write into it."""
    time.now = 100.0
    first = set(server.regions)
    for error in (Failed(Code.DEADLINE_EXCEEDED, "late"), Failed(Code.UNAVAILABLE, "gone")):
        with pytest.raises(Failed):
            call(shared, server, error)[0].result()
    assert call(shared, server)[0].result()
    assert not server.regions & first
    cancelled = [call(shared, server)[0] for _ in range(2)]
    for each in cancelled:
        each.cancel()
    # Not at once: a server in trouble is not asked for regions in a loop.
    assert not call(shared, server)[1][0]
    time.now += 10.0
    assert call(shared, server)[1][0]
    assert not logged


def test_regions_that_the_server_keeps_are_not_made_without_end(
    shared: Shared, server: Server, time: Time, logged: list[str]
) -> None:
    for _ in range(20):
        time.now += 100.0
        server.held |= server.regions
        while slot := shared.take():
            slot.region.given_up += 1
    assert len(server.regions) == 4
    assert len(logged) == 1
    assert "over gRPC, not through shared memory" in logged[0]


def test_the_key_is_read_each_time_because_a_restart_makes_another(tmp_path: Path, time: Time) -> None:
    server, file = Server("old"), tmp_path / "triton.key"
    made = Shared(server, "here:8001", 1, 64, file, folder=tmp_path, clock=time.clock, log=print)
    assert made.open() == f"{file}: No such file or directory"
    file.write_text("wrong\n")
    assert made.open() == f"the server asks for its key; {file} holds another"
    file.write_text("old\n")
    assert made.open() == ""
    server.key, server.regions = "new", set()
    file.write_text("new\n")
    slot = made.take()
    assert slot
    made.replace(slot.region, "unknown")
    assert len(server.regions) == 1
    made.close()
    assert not server.regions
    assert [path.name for path in tmp_path.iterdir()] == ["triton.key"]


def test_a_server_with_a_key_says_which_setting_is_needed(tmp_path: Path) -> None:
    made = Shared(Server("secret"), "here:8001", 1, 64, None, folder=tmp_path)
    assert made.open() == "the server asks for its key; set DRIFTLINE_EMBED__KEY_FILE"
    assert not list(tmp_path.iterdir())


def test_a_full_place_says_how_much_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    made = Shared(Server(), "here:8001", 16, 1_000_000, None, folder=tmp_path)
    assert made.open() == f"{tmp_path} has no room for 16 MB: No space left on device"
