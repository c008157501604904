"""What the sidecar asks of the server, and what it refuses before it starts one."""

import socket
from pathlib import Path

import pytest

from dataflow.embed.repository import ENCODER, MODEL, Layout
from export import key
from export.errors import SidecarError
from export.serve.sidecar import HOST, Sidecar, free_port
from export.serve.tritonserver import Server


def repository(folder: Path) -> Path:
    for model in (MODEL, ENCODER):
        config = Layout(folder, name=model).config
        config.parent.mkdir(parents=True)
        config.touch()
    return folder


def test_there_is_no_http_unless_a_port_is_given(tmp_path: Path) -> None:
    for port in (None, 8000):
        sidecar = Sidecar(tmp_path, log=tmp_path / "triton.log", http_port=port)
        arguments = sidecar._arguments(Server(Path("tritonserver"), {}), tmp_path, "secret")
        assert ("--allow-http=false" in arguments) is (port is None)
        assert any(each.startswith("--http-") for each in arguments) is (port is not None)
        assert set(key.flags("secret", http=port is not None)) <= set(arguments)


def test_the_key_is_beside_the_log_unless_a_file_is_named(tmp_path: Path) -> None:
    log = tmp_path / "triton.log"
    assert Sidecar(tmp_path, log=log).key_file == tmp_path / "triton.key"
    assert Sidecar(tmp_path, log=log, key_file=Path("mine")).key_file == Path("mine")


def test_each_sidecar_takes_a_port_of_its_own(tmp_path: Path) -> None:
    sidecar = Sidecar(tmp_path, log=tmp_path / "triton.log")
    assert sidecar.url == f"{HOST}:{sidecar.grpc_port}"
    assert sidecar.grpc_port > 0
    assert Sidecar(tmp_path, log=tmp_path / "triton.log", grpc_port=8001).url == f"{HOST}:8001"


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    Layout(repository(tmp_path)).config.unlink()
    with pytest.raises(SidecarError, match=rf"holds no {MODEL}; make it with"):
        Sidecar(tmp_path, log=tmp_path / "triton.log").start()
    assert not (tmp_path / "triton.log").exists()


@pytest.mark.parametrize(
    ("ends", "says", "starts"),
    [
        ("kill -ABRT $$", "crashed before it was ready", 3),
        ("exec sleep 600", "was not ready in 5 s", 3),
        ("exit 1", "ended before it was ready", 1),
    ],
)
def test_a_server_that_crashes_or_hangs_while_it_starts_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str, says: str, starts: int
) -> None:
    if "sleep" in ends:
        monkeypatch.setattr("export.serve.sidecar._READY_SECONDS", 5.0)
    binary, started = tmp_path / "tritonserver", tmp_path / "started"
    binary.write_text(f"#!/bin/sh\necho once >> {started}\necho broken >&2\n{ends}\n")
    binary.chmod(0o755)
    sidecar = Sidecar(repository(tmp_path), log=tmp_path / "triton.log", binary=binary)
    with pytest.raises(SidecarError, match=f"the server {says}; its log says:\n.*broken"):
        sidecar.start()
    assert started.read_text() == "once\n" * starts


@pytest.mark.parametrize("name", ["grpc_port", "http_port", "metrics_port"])
def test_a_port_in_use_is_refused(tmp_path: Path, name: str) -> None:
    ports = {each: free_port() for each in ("grpc_port", "http_port", "metrics_port")}
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        ports[name] = other.getsockname()[1]
        sidecar = Sidecar(repository(tmp_path), log=tmp_path / "triton.log", **ports)  # type: ignore[arg-type]
        with pytest.raises(SidecarError, match=rf"{HOST}:{ports[name]}: .*; is another server running"):
            sidecar.start()
