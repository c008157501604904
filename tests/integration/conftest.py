"""The real model and the real server, started once for each test process, on the loopback interface."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest

from dataflow import settings
from export.convert import weights
from export.convert.build import build
from export.serve import tritonserver
from export.serve.sidecar import Sidecar
from tests.support.paths import CACHE, MODEL, ROOT, Encode
from tests.support.ports import free_port
from tests.support.restarted import started_again

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def model_folder() -> Path:
    """The original model, a sentence-transformers folder."""
    return weights.locate(weights.named(MODEL), CACHE, print)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The model repository of the checkout, exported now unless it exists."""
    build(weights.named(MODEL), ROOT / "model_repo", cache=CACHE, force=False, log=print)
    return ROOT / "model_repo"


@pytest.fixture(scope="session")
def sidecar_venv() -> Path:
    """The environment with the real server, made now unless it exists."""
    venv = ROOT / tritonserver.VENV
    if not (venv / "bin" / "python3").exists():
        tritonserver.install(venv, ROOT / tritonserver.REQUIREMENTS)
    return venv


@pytest.fixture(scope="session")
def triton(
    repository: Path, sidecar_venv: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sidecar]:
    """A real Triton with the exported model. All tests share it: a test must not change it."""
    log = tmp_path_factory.mktemp("triton") / "triton.log"
    http, metrics = free_port(), free_port()
    sidecar = Sidecar(repository, venv=sidecar_venv, log=log, http_port=http, metrics_port=metrics)
    with sidecar, started_again(sidecar):
        yield sidecar


@pytest.fixture(scope="session")
def embed_settings(triton: Sidecar, repository: Path) -> settings.Embed:
    """Settings that reach :func:`triton`."""
    return settings.Embed(url=triton.url, repository=repository)


@pytest.fixture(scope="session")
def reference(model_folder: Path) -> Encode:
    """``SentenceTransformer.encode`` of the original model."""
    from export.convert import graph  # noqa: PLC0415  torch takes seconds to import, and most tests do not need it

    model = graph.load(model_folder)

    def encode(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return np.asarray(model.encode(list(texts), show_progress_bar=False), np.float32)

    return encode


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A headless browser. Playwright's loop runs as long as it is open, so it serves one module only."""
    from tests.support.browser import chromium  # noqa: PLC0415  few tests need it

    with chromium() as one:
        yield one
