"""What a web page may send to a server that listens on this machine."""

import base64
import contextlib
import http.client
import json
from pathlib import Path
from typing import Any

import tritonclient.grpc as client
from tritonclient.utils import InferenceServerException

from export.serve.sidecar import HOST, Sidecar

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


def ask(sidecar: Sidecar, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
    """Status and body of the answer to a request of a web page."""
    connection = http.client.HTTPConnection(HOST, sidecar.http_port or 0, timeout=60)
    try:
        connection.request(method, path, json.dumps(body or {}), _PAGE | headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def bring_a_model(sidecar: Sidecar, marker: Path) -> None:
    """Over HTTP and over gRPC, a model that touches ``marker`` when it is loaded."""
    code = _MODEL.format(marker=str(marker)).encode()
    parameters = {"config": _CONFIG, "file:1/model.py": base64.b64encode(code).decode()}
    ask(sidecar, "POST", "/v2/repository/models/evil/load", {"parameters": parameters})
    with (
        client.InferenceServerClient(sidecar.url) as triton,
        contextlib.suppress(InferenceServerException),
    ):
        triton.load_model("stranger", config=_CONFIG, files={"file:1/model.py": code})
