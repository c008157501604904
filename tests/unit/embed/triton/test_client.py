"""The gRPC client: texts on the wire, PEM files, and the causes of errors."""

import zlib
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import pytest

from dataflow.embed.triton.client import PERMANENT, TRANSIENT, Connection, cause, is_refusal
from dataflow.embed.triton.served import checksums
from dataflow.errors import SettingsError
from dataflow.settings import Embed
from tests.support.kserve import Code, Connect, Server


def test_difficult_texts_travel_unchanged(server: Server, connected: Connect) -> None:
    texts = ["", "\x00", "a\x00b", "\U0001f600", "ü" * 1_000_000, "\ufffd", " "]
    connected().embedder.embed(texts)
    assert sorted(server.requests, key=len) == [
        ["ü" * 1_000_000],
        ["a\x00b", "\x00", "\U0001f600", "\ufffd", " ", ""],
    ]


class Failed(grpc.RpcError):  # type: ignore[misc]
    """An error as gRPC raises it."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


@pytest.mark.parametrize(
    ("code", "details", "shown"),
    [
        (Code.UNAVAILABLE, "failed to connect\n to all: Connection refused (111)", "connection refused"),
        (Code.DEADLINE_EXCEEDED, " too\n slow ", "deadline exceeded: too slow"),
        (Code.INTERNAL, "x" * 1000, "internal: " + "x" * 300),
    ],
)
def test_the_cause_of_an_error_is_one_short_line(code: grpc.StatusCode, details: str, shown: str) -> None:
    assert cause(Failed(code, details)) == shown


def test_an_error_that_passes_is_no_refusal() -> None:
    assert not TRANSIENT & PERMANENT
    assert not any(is_refusal(Failed(code, "")) for code in TRANSIENT)
    assert all(is_refusal(Failed(code, "")) for code in PERMANENT)


def test_checksums_are_little_endian_crc32() -> None:
    texts = ["", "a text", "\u00fc"]
    raw = checksums(texts)
    found = [int.from_bytes(raw[i : i + 4], "little") for i in range(0, len(raw), 4)]
    assert found == [zlib.crc32(text.encode()) for text in texts]


@pytest.mark.parametrize("name", ["tls_ca", "tls_certificate", "tls_key"])
def test_a_file_that_is_not_pem_is_one_line_that_names_the_setting(tmp_path: Path, name: str) -> None:
    good, bad = tmp_path / "good.pem", tmp_path / "bad.pem"
    good.write_text("-----BEGIN CERTIFICATE-----\n")
    files = dict.fromkeys(("tls_ca", "tls_certificate", "tls_key"), good)
    with pytest.raises(SettingsError, match=rf"embed\.{name}=.*bad\.pem: No such file"):
        Connection(Embed.model_validate(files | {name: bad}))
    bad.write_text("not a certificate")
    with pytest.raises(SettingsError, match=rf"embed\.{name}=.*bad\.pem: not a PEM file"):
        Connection(Embed.model_validate(files | {name: bad}))
