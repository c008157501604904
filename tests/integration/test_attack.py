"""Without its key, the ports of the sidecar give embeddings over gRPC, and nobody can change the server."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
import tritonclient.grpc as client
from tritonclient.grpc import service_pb2, service_pb2_grpc

from export import key
from export.__main__ import main
from export.serve.sidecar import Sidecar
from tests.support.attack import ask, bring_a_model
from tests.support.ports import free_port

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(
    repository: Path, sidecar_venv: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sidecar]:
    log = tmp_path_factory.mktemp("attack") / "triton.log"
    with Sidecar(repository, venv=sidecar_venv, log=log, http_port=free_port()) as sidecar:
        yield sidecar


def test_nobody_brings_a_model_of_their_own(server: Sidecar, tmp_path: Path) -> None:
    bring_a_model(server, tmp_path / "ran")
    assert not (tmp_path / "ran").exists(), "the model of a stranger ran in the server"


def test_a_web_page_takes_no_model_away(server: Sidecar) -> None:
    ask(server, "POST", "/v2/repository/models/sbert/unload")
    with client.InferenceServerClient(server.url) as triton:
        assert triton.is_model_ready("sbert")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *[("GET", f"/v2{path}") for path in ("", "/models/sbert", "/models/sbert/config", "/models/stats")],
        *[("GET", f"/v2/{name}sharedmemory/status") for name in ("system", "cuda")],
        *[("GET", f"/v2/{path}") for path in ("trace/setting", "models/sbert/trace/setting", "logging")],
        *[("POST", f"/v2/models/sbert/{verb}") for verb in ("infer", "generate", "generate_stream")],
        *[("POST", f"/v2/repository/{path}") for path in ("index", "models/sbert/load")],
        *[("POST", f"/v2/systemsharedmemory/{path}") for path in ("region/a/register", "unregister")],
        *[("POST", f"/v2/{path}") for path in ("trace/setting", "logging")],
    ],
)
def test_http_without_the_key_gives_health_alone(server: Sidecar, method: str, path: str) -> None:
    refused = (403, b'{"error":"This API is restricted, expecting header \'driftline-key\'"}')
    assert ask(server, method, path) == refused
    assert ask(server, method, path, **{key.HEADER: "guessed"}) == refused
    assert ask(server, method, path, **{key.HEADER: key.read(server.key_file)})[0] != 403
    assert ask(server, "GET", "/v2/health/ready") == (200, b"")


def test_grpc_without_the_key_gives_what_the_dataflow_calls(server: Sidecar) -> None:
    with grpc.insecure_channel(server.url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        refused = {name for name in dir(stub) if name[0].isupper() and not _answers(stub, name)}
    assert refused == {
        *(f"{kind}SharedMemory{what}" for kind in ("System", "Cuda") for what in ("Status", "Register")),
        *(f"{kind}SharedMemoryUnregister" for kind in ("System", "Cuda")),
        *("RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"),
        *("ModelStatistics", "TraceSetting", "LogSettings"),
    }


def _answers(stub: Any, name: str) -> bool:
    """Whether the server answers the call without asking for the key."""
    stream = name == "ModelStreamInfer"
    request = service_pb2.ModelInferRequest() if stream else getattr(service_pb2, f"{name}Request")()
    try:
        if stream:
            list(stub.ModelStreamInfer(iter([request]), timeout=60))
        else:
            getattr(stub, name)(request, timeout=60)
    except grpc.RpcError as error:
        return key.METADATA not in str(error.details())
    return True


def test_the_key_is_the_user_s_alone_and_another_at_each_start(server: Sidecar) -> None:
    first = key.read(server.key_file)
    assert stat.S_IMODE(server.key_file.stat().st_mode) == 0o600
    server.stop()
    assert not server.key_file.exists()
    server.start()
    assert len(first) >= 32
    assert key.read(server.key_file) != first


@pytest.mark.parametrize(
    ("written", "said"), [(None, "No such file or directory"), ("guessed", "holds the key of another server")]
)
def test_management_says_which_key_it_lacks(
    server: Sidecar, tmp_path: Path, capsys: pytest.CaptureFixture[str], written: str | None, said: str
) -> None:
    path = tmp_path / "triton.key"
    if written:
        path.write_text(written)
    for command in ("list", "unload"):
        given = [command, f"--url={server.url}", f"--repository={server.repository}", f"--key-file={path}"]
        assert main(given) == 1
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert f"without its key, and {path}: {said}; name the file" in line
