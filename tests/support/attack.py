"""Requests that a web page may send to a server on this machine."""

import base64
import contextlib
import http.client
import json
from pathlib import Path
from typing import Any

import tritonclient.grpc as client
from tritonclient.utils import InferenceServerException

from export.serve.sidecar import HOST, Sidecar

#: Runs any code as the user of the server when the server loads the model.
_MODEL = """
import pathlib
pathlib.Path({marker!r}).touch()
class TritonPythonModel:
    def execute(self, requests):
        return []
"""
_CONFIG = '{"backend": "python", "input": [], "output": []}'
#: Headers that a web page of any origin may send without a preflight request.
_PAGE = {"Content-Type": "text/plain", "Origin": "https://evil.example", "Host": "evil.example:8000"}


def ask(sidecar: Sidecar, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
    """The status and the body of the answer to a request of a web page."""
    connection = http.client.HTTPConnection(HOST, sidecar.http_port or 0, timeout=60)
    try:
        connection.request(method, path, json.dumps(body or {}), _PAGE | headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def bring_a_model(sidecar: Sidecar, marker: Path) -> None:
    """Load, over HTTP and over gRPC, a model that touches ``marker``."""
    code = _MODEL.format(marker=str(marker)).encode()
    parameters = {"config": _CONFIG, "file:1/model.py": base64.b64encode(code).decode()}
    ask(sidecar, "POST", "/v2/repository/models/evil/load", {"parameters": parameters})
    with (
        client.InferenceServerClient(sidecar.url) as triton,
        contextlib.suppress(InferenceServerException),
    ):
        triton.load_model("stranger", config=_CONFIG, files={"file:1/model.py": code})
