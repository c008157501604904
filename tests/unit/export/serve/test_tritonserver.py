"""Which server is started, and with which backends."""

import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from dataflow.embed.cuda_session import CudaError, Gpu
from export.errors import SidecarError
from export.serve import tritonserver


def test_a_venv_without_a_server_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SidecarError, match="make it with `python -m export sidecar --install`"):
        tritonserver.from_wheel(tmp_path)
    with pytest.raises(SidecarError, match="no such program"):
        tritonserver.external(tmp_path / "tritonserver")


def test_a_python_without_a_server_or_that_does_not_run_is_refused(tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.symlink_to(Path(sys.executable).resolve())  # the one that the venv was made from
    with pytest.raises(SidecarError, match=r"holds no server for Python 3\.\d+; make it with"):
        tritonserver.from_wheel(tmp_path)
    for script, reason in (("echo first >&2; echo last >&2; exit 3", "last"), ("exit 3", "exit code 3")):
        python.unlink()
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
        with pytest.raises(SidecarError, match=rf"bin/python3 does not run: {reason}$"):
            tritonserver.from_wheel(tmp_path)


@pytest.mark.parametrize("found", [[Gpu("H100", 80 << 30)], CudaError("no driver")])
def test_a_machine_with_a_gpu_gets_the_packages_for_it(
    found: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gpus = Mock(side_effect=[found])
    monkeypatch.setattr("dataflow.embed.cuda_session.gpus", gpus)
    file = "sidecar.txt" if isinstance(found, CudaError) else "sidecar-gpu.txt"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SidecarError, match=rf"requirements/{file}: no such file"):
        tritonserver.install(tmp_path)


def test_the_backends_are_complete_and_leave_out_what_python_compiled(tmp_path: Path) -> None:
    backends, stub = tmp_path / "wheel", tmp_path / "triton_python_backend_stub"
    (backends / "python").mkdir(parents=True)
    (backends / "python" / "libtriton_python.so").touch()
    stub.touch()
    server = tritonserver.Server(Path("tritonserver"), {}, backends, stub)
    folder = tritonserver.backend_directory(server, tmp_path / "all")
    assert folder is not None
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        "onnxruntime/cuda_session.py",
        "onnxruntime/model.py",
        "onnxruntime/openvino_session.py",
        "python/libtriton_python.so",
        "python/triton_python_backend_stub",
    }


def test_a_server_with_its_own_backends_needs_no_folder(tmp_path: Path) -> None:
    server = tritonserver.external(Path("/bin/sh"))
    assert tritonserver.backend_directory(server, tmp_path / "all") is None
    assert not (tmp_path / "all").exists()
