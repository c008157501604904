"""What whoever reaches the sidecar's ports can do there: ask for embeddings, and whether it is ready."""

import base64
import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tritonclient.grpc as client
from tritonclient.utils import InferenceServerException

from export.sidecar import HOST, Sidecar, free_port

pytestmark = pytest.mark.integration

#: Runs whatever it likes as the server's user, as soon as it is loaded.
_MODEL = """
import pathlib
pathlib.Path({marker!r}).touch()
class TritonPythonModel:
    def execute(self, requests):
        return []
"""
_CONFIG = '{"backend": "python", "input": [], "output": []}'
#: As a web page may send them without asking first, from wherever it came.
_PAGE = {"Content-Type": "text/plain", "Origin": "https://evil.example", "Host": "evil.example:8000"}


@pytest.fixture(scope="module")
def server(
    repository: Path, sidecar_venv: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sidecar]:
    log = tmp_path_factory.mktemp("attack") / "triton.log"
    with Sidecar(repository, venv=sidecar_venv, log=log, http_port=free_port()) as sidecar:
        yield sidecar


def post(sidecar: Sidecar, path: str, body: Any = None, *, method: str = "POST") -> int:
    """The status of the answer to a request of a web page."""
    connection = http.client.HTTPConnection(HOST, sidecar.http_port or 0, timeout=60)
    try:
        connection.request(method, path, json.dumps(body or {}), _PAGE)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_web_page_brings_no_model_of_its_own(server: Sidecar, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    code = base64.b64encode(_MODEL.format(marker=str(marker)).encode()).decode()
    post(
        server,
        "/v2/repository/models/evil/load",
        {"parameters": {"config": _CONFIG, "file:1/model.py": code}},
    )
    assert not marker.exists(), "the model of a web page ran in the server"


def test_a_web_page_takes_no_model_away(server: Sidecar) -> None:
    post(server, "/v2/repository/models/sbert/unload")
    time.sleep(1)
    assert client.InferenceServerClient(server.url).is_model_ready("sbert")


def test_a_client_without_the_key_brings_no_model_over_grpc(server: Sidecar, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    code = _MODEL.format(marker=str(marker)).encode()
    with client.InferenceServerClient(server.url) as triton:
        try:
            triton.load_model("stranger", config=_CONFIG, files={"file:1/model.py": code})
        except InferenceServerException:
            pass
        assert not marker.exists(), "the model of a stranger ran in the server"
