"""The proxy, the small disks, and the trend of samples, on which the proofs depend."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.kit.disk import Disk, LimitedFiles, SmallDisk, disk
from benchmarks.kit.endless import EndlessSource, PacedModel
from benchmarks.kit.growth import Sampler, folder_bytes, resident_bytes, trend
from benchmarks.kit.proxy import Proxy
from dataflow.items.schemas import RAW

WRITER = """
import sys
for _ in sys.stdin:
    try:
        with open(sys.argv[1], "ab", buffering=0) as file:
            done = file.write(bytes(8192)) == 8192
        print("written" if done else "full", flush=True)
    except OSError:
        print("full", flush=True)
"""


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1]


def _serve(server: socket.socket) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_echo, args=(client,), daemon=True).start()


def _echo(client: socket.socket) -> None:
    with client:
        while data := client.recv(4096):
            client.sendall(data)


def connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), 60)


def test_a_proxy_passes_then_refuses_then_passes_again(echo: int) -> None:
    with Proxy(echo) as proxy:
        with connected(proxy) as client:
            client.sendall(b"one")
            assert client.recv(10) == b"one"
            proxy.set_mode("refuses")
            assert client.recv(10) == b""
        with pytest.raises(ConnectionRefusedError):
            connected(proxy)
        proxy.set_mode("passes")
        with connected(proxy) as client:
            client.sendall(b"two")
            assert client.recv(10) == b"two"


def test_a_silent_proxy_keeps_bytes_until_it_passes_again(echo: int) -> None:
    with Proxy(echo) as proxy, connected(proxy) as client:
        proxy.set_mode("silent")
        client.sendall(b"one")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(10)
        client.settimeout(60)
        proxy.set_mode("passes")
        assert client.recv(10) == b"one"


def test_a_slow_proxy_loses_no_byte(echo: int) -> None:
    sent = os.urandom(5000)
    with Proxy(echo) as proxy, connected(proxy) as client:
        proxy.set_mode("slow")
        client.sendall(sent)
        found = b""
        while len(found) < len(sent):
            found += client.recv(4096)
        assert found == sent


@pytest.mark.parametrize("mount", [True, False])
def test_nothing_can_be_written_while_the_disk_is_full(tmp_path: Path, mount: bool) -> None:
    with disk(tmp_path, 3, mount=mount) as small:
        assert isinstance(small, SmallDisk) or not (mount and may_mount(tmp_path))
        assert mount or isinstance(small, LimitedFiles)
        said = []
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", WRITER, str(tmp_path / "file")]
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as writer:
            small.admit(writer.pid)
            for prepare in (None, Disk.fill, Disk.free):
                if prepare:
                    getattr(small, prepare.__name__)()
                assert writer.stdin
                assert writer.stdout
                print(file=writer.stdin, flush=True)
                said.append(writer.stdout.readline().strip())
            writer.communicate()
    assert said == ["written", "full", "written"]


def may_mount(folder: Path) -> bool:
    probe = folder / "probe"
    probe.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "probe", str(probe)], check=False, capture_output=True)
    if mounted.returncode == 0:
        subprocess.run(["umount", str(probe)], check=True)
    return mounted.returncode == 0


@given(st.floats(-50, 50), st.floats(0, 1000), st.integers(2, 200))
def test_the_trend_of_a_line_is_the_line(slope: float, start: float, count: int) -> None:
    seconds = [5.0 * number for number in range(count)]
    found = trend(seconds, [start + slope * at for at in seconds])
    assert found.per_hour == pytest.approx(slope * 3600, abs=1e-3)
    tenth = max(1, count // 10)
    assert found.end - found.start == pytest.approx(slope * 5 * (count - tenth), abs=1e-6)
    assert found.largest == pytest.approx(max(start, start + slope * seconds[-1]))


def test_memory_and_folders_have_a_size(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a").write_bytes(bytes(700))
    (tmp_path / "b").write_bytes(bytes(50))
    assert folder_bytes(tmp_path) == 750
    before = resident_bytes()
    held = bytearray(os.urandom(1 << 20)) * 64
    assert resident_bytes() - before > len(held) // 2


def test_a_sampler_measures_until_the_block_ends() -> None:
    calls: list[int] = []
    enough = threading.Event()

    def measure() -> float:
        calls.append(1)
        if len(calls) == 3:
            enough.set()
        return float(len(calls))

    with Sampler({"calls": measure}, 0.001) as sampler:
        assert enough.wait(60)
    assert sampler.values["calls"] == [float(n + 1) for n in range(len(sampler.seconds))]
    assert sampler.trends(0.0)["calls"].largest == len(calls)


def test_an_endless_source_has_new_texts_until_its_time_is_over() -> None:
    source = EndlessSource(60, events_per_second=20, answered=lambda: 100)
    part = source.build_part("s", "endless", None)
    batches = part.next_batch() + part.next_batch()
    assert all(batch.schema.equals(RAW) for batch in batches)
    texts = [json.loads(raw)["text"] for batch in batches for raw in batch["raw"].to_pylist()]
    assert len(set(texts)) == len(texts) == source.rows == part.snapshot()
    assert source.most_in_flight == source.rows - 100
    with pytest.raises(StopIteration):
        EndlessSource(-1, 20, lambda: 0).build_part("s", "endless", None).next_batch()


def test_a_paced_model_counts_what_it_answers() -> None:
    model = PacedModel(8, texts_per_second=1e6)
    assert model.embed(["a", "b"]).vectors.shape == (2, 8)
    assert model.rows == 2
