"""Which interfaces need the key, and where the key is written."""

import stat
from pathlib import Path

import pytest

from export import key
from export.errors import SidecarError

#: All interfaces that Triton can restrict.
PROTOCOLS = {
    *("health", "metadata", "inference", "model-config"),
    *("shared-memory", "model-repository", "statistics", "trace", "logging"),
}


def closed(flag: str, name: str) -> set[str]:
    option, _, rest = flag.partition("=")
    protocols, _, held = rest.partition(":")
    assert (option, held) == (name, f"{key.HEADER}=secret")
    return set(protocols.split(","))


def test_over_grpc_the_dataflow_s_calls_are_open_and_over_http_health() -> None:
    grpc, http = key.flags("secret", http=True)
    assert closed(http, "--http-restricted-api") == PROTOCOLS - {"health"}
    open_to_all = {"health", "metadata", "inference", "model-config"}
    assert closed(grpc, "--grpc-restricted-protocol") == PROTOCOLS - open_to_all
    assert key.flags("secret", http=False) == [grpc]


def test_a_key_replaces_what_was_there_and_follows_no_link(tmp_path: Path) -> None:
    target, path = tmp_path / "other", tmp_path / "new" / "triton.key"
    target.write_text("not mine")
    path.parent.mkdir()
    path.symlink_to(target)
    for secret in ("first", "second"):
        key.write(path, secret)
        assert key.read(path) == secret
        assert not path.is_symlink()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)
    assert target.read_text() == "not mine"


def test_a_key_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "triton.key"):
        with pytest.raises(SidecarError, match=r"^.*; name another file with --key-file$"):
            key.write(path, "secret")
