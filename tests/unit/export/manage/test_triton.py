"""How the failures of a server are reported, with a client that fails."""

from pathlib import Path
from typing import Any

import pytest
from tritonclient.utils import InferenceServerException

from dataflow import settings
from export import key
from export.errors import FailedError
from export.manage.triton import RunningTriton


class Client:
    """Fails with ``message``, and remembers the headers that it was given."""

    def __init__(self, message: str) -> None:
        self.message = message
        self.headers: Any = None

    def load_model(self, model: str, headers: Any, **_: Any) -> None:
        self.headers = headers
        raise InferenceServerException(self.message)


def connected(key_file: Path, client: Client) -> RunningTriton:
    triton = RunningTriton(settings.Embed(url="127.0.0.1:1"), key_file)
    triton.close()
    triton._client = client
    return triton


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("failed to connect:\n Connection refused", "connection refused; is it running?"),
        ("no such\n\n  file", "no such file"),
        ("x" * 1000, "x" * 400),
    ],
)
def test_a_failure_is_one_short_line(tmp_path: Path, message: str, said: str) -> None:
    triton = connected(tmp_path / "key", Client(message))
    with pytest.raises(FailedError) as failed:
        triton.load("sbert")
    assert str(failed.value) == f"Triton at 127.0.0.1:1 does not load sbert: {said}"


def test_a_server_that_was_started_again_has_a_new_key(tmp_path: Path) -> None:
    path, client = tmp_path / "key", Client("gone")
    triton = connected(path, client)
    for content in ("first", "second"):
        key.write(path, content)
        with pytest.raises(FailedError):
            triton.load("sbert")
        assert client.headers == {key.METADATA: content}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        ("Ü", "not a key"),
        ("guessed", "holds the key of another server"),
    ],
)
def test_a_refused_key_is_named_with_the_reason(tmp_path: Path, content: str | None, reason: str) -> None:
    path = tmp_path / "key"
    if content:
        path.write_text(content, encoding="utf-8")
    client = Client(f"this protocol is restricted, expecting header '{key.METADATA}'")
    triton = connected(path, client)
    with pytest.raises(
        FailedError, match=rf"without its key, and {path}: {reason}; name the file .*--key-file"
    ):
        triton.load("sbert")
    assert client.headers == ({key.METADATA: "guessed"} if content == "guessed" else {})
