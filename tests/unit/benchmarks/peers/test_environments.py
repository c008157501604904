"""An environment of a peer is made once, from its lock files, and again when one of them changes."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.peers import environments


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What pip was called with. Nothing is installed, and all files are in ``tmp_path``."""
    calls: list[tuple[str, ...]] = []
    locks = {"_LOCKS": tmp_path / "peers", "_REQUIREMENTS": tmp_path}
    for name, place in {**locks, "ROOT": tmp_path, "_CACHE": tmp_path / "cache"}.items():
        place.mkdir(exist_ok=True)
        monkeypatch.setattr(environments, name, place)
    for name in ("torch", "openvino"):
        monkeypatch.setattr(environments, f"_{name.upper()}", tmp_path / f"{name}.txt")
    for lock in ("torch", "openvino", "sidecar", "peers/spark"):
        (tmp_path / f"{lock}.txt").write_text(lock)

    def create(folder: Path, *, clear: bool, with_pip: bool) -> None:
        assert clear
        assert with_pip
        (folder / "lib" / "python3.11" / "site-packages").mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(environments, "venv", SimpleNamespace(create=create))
    monkeypatch.setattr(environments, "_install", lambda python, *arguments: calls.append(arguments))
    return calls


def test_a_peer_is_installed_once(tmp_path: Path, installed: list[tuple[str, ...]]) -> None:
    python = environments.python_of("spark")
    assert python == tmp_path / "cache" / "spark" / "bin" / "python" == environments.python_of("spark")
    locked = ("--no-deps", "--require-hashes", "-r")
    torch = str(tmp_path / "torch.txt")
    assert installed == [(*locked, str(tmp_path / "peers" / "spark.txt")), ("-r", torch)]


@pytest.mark.parametrize("lock", ["peers/spark", "torch"])
def test_a_peer_is_installed_again_when_a_lock_file_changes(
    lock: str, tmp_path: Path, installed: list[tuple[str, ...]]
) -> None:
    environments.python_of("spark")
    (tmp_path / f"{lock}.txt").write_text("another")
    environments.python_of("spark")
    assert len(installed) == 4


def test_an_installation_that_failed_is_tried_again(
    installed: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError("no network")

    with monkeypatch.context() as patch:
        patch.setattr(environments, "_install", fails)
        with pytest.raises(OSError, match="no network"):
            environments.python_of("spark")
    environments.python_of("spark")
    assert len(installed) == 2


def test_the_sidecar_with_openvino_has_an_environment_of_its_own(
    tmp_path: Path, installed: list[tuple[str, ...]]
) -> None:
    assert environments.sidecar() == tmp_path / "cache" / "sidecar"
    assert [Path(arguments[-1]).name for arguments in installed] == ["sidecar.txt", "openvino.txt"]
    assert all("--no-deps" in arguments and "--require-hashes" in arguments for arguments in installed)
    assert environments.openvino().parts[-4:] == ("openvino", "lib", "python3.11", "site-packages")
    assert [Path(arguments[-1]).name for arguments in installed[2:]] == ["openvino.txt"]
