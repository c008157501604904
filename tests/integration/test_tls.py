"""TLS and mutual TLS between the dataflow and a real Triton, with certificates made for the test."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import numpy as np
import pytest

from dataflow import settings
from dataflow.doctor import Case, embedder
from dataflow.embed.triton.connect import connect
from dataflow.errors import DriftlineError, OutageError
from export.__main__ import main
from export.serve.sidecar import Sidecar
from tests.support import faulty_model
from tests.support.tls import authority, certificate

pytestmark = pytest.mark.integration


#: How long to ask a server that refuses: long enough to learn the reason on a busy machine.
REFUSED_S = 2.0


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the authorities ``ca`` and ``other``, and the certificates of ``server`` and ``flow``."""
    folder = tmp_path_factory.mktemp("pem")
    authority(folder, "ca")
    authority(folder, "other")
    certificate(folder, "server")
    certificate(folder, "flow")
    return folder


@pytest.fixture(scope="module", params=["tls", "mutual"])
def server(
    request: pytest.FixtureRequest, pem: Path, sidecar_venv: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Sidecar, bool]]:
    folder, mutual = tmp_path_factory.mktemp("tls"), request.param == "mutual"
    flags = [
        "--grpc-use-ssl=true",
        f"--grpc-server-cert={pem}/server.pem",
        f"--grpc-server-key={pem}/server.key",
    ]
    if mutual:
        flags += ["--grpc-use-ssl-mutual=true", f"--grpc-root-cert={pem}/ca.pem"]
    root = faulty_model.repository(folder / "repository", 1)
    credentials = grpc.ssl_channel_credentials(
        *((pem / name).read_bytes() for name in ("ca.pem", "flow.key", "flow.pem"))
    )
    with Sidecar(
        root,
        venv=sidecar_venv,
        models=["sbert"],
        arguments=flags,
        credentials=credentials,
        log=folder / "log",
    ) as sidecar:
        yield sidecar, mutual


def embed(url: str, timeout_s: float = 60.0, **files: Path) -> None:
    tls = {f"tls_{name}": path for name, path in files.items()}
    wait = {"startup_timeout": timedelta(seconds=timeout_s)}
    options = settings.Embed.model_validate({"url": url, **wait, **tls})
    embedder = connect(options, log=print)
    try:
        texts = ["a", "long " * 2_000_000]
        np.testing.assert_array_equal(embedder.embed(texts).vectors, faulty_model.vectors(texts, 1))
    finally:
        embedder.close()


def test_who_can_show_what_is_asked_for_gets_through(server: tuple[Sidecar, bool], pem: Path) -> None:
    sidecar, mutual = server
    embed(sidecar.url, ca=pem / "ca.pem", certificate=pem / "flow.pem", key=pem / "flow.key")
    if mutual:
        with pytest.raises(OutageError, match="does not answer"):
            embed(sidecar.url, REFUSED_S, ca=pem / "ca.pem")
    else:
        embed(sidecar.url, ca=pem / "ca.pem")


def test_a_server_that_another_authority_vouches_for_is_not_trusted(
    server: tuple[Sidecar, bool], pem: Path
) -> None:
    with pytest.raises(OutageError, match=r"(?i)certificate"):
        embed(
            server[0].url, REFUSED_S, ca=pem / "other.pem", certificate=pem / "flow.pem", key=pem / "flow.key"
        )


def test_without_tls_nobody_gets_through(server: tuple[Sidecar, bool]) -> None:
    with pytest.raises(OutageError, match="does not answer"):
        embed(server[0].url, REFUSED_S)


def test_the_doctor_knows_tls_from_a_server_that_is_away(server: tuple[Sidecar, bool], pem: Path) -> None:
    wait = timedelta(seconds=REFUSED_S)
    options = settings.Embed(url=server[0].url, tls_ca=pem / "other.pem", startup_timeout=wait)
    case = Case(settings.Settings(embed=options), None, False, datetime.now(timezone.utc))
    finding, _ = embedder.look(case)
    assert finding.status == "wrong"
    assert "it is TLS that fails: see DRIFTLINE_EMBED__TLS_CA" in finding.message


@pytest.mark.parametrize("file", ["none.pem", "extensions"])
def test_a_file_that_is_no_certificate_is_named(pem: Path, file: str) -> None:
    with pytest.raises(DriftlineError, match=rf"embed.tls_ca=.*{file}: (No such file|not a PEM file)"):
        embed("127.0.0.1:1", REFUSED_S, ca=pem / file)


def test_management_goes_over_tls_too(
    server: tuple[Sidecar, bool], pem: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sidecar, _ = server
    where = ["--url", sidecar.url, "--repository", str(sidecar.repository)]
    mine = [f"--tls-certificate={pem}/flow.pem", f"--tls-key={pem}/flow.key"]
    mine += [f"--key-file={sidecar.key_file}"]
    assert main(["list", *where, f"--tls-ca={pem}/ca.pem", *mine]) == 0
    assert main(["list", *where, f"--tls-ca={pem}/other.pem", *mine]) == 1
    assert "does not list models" in capsys.readouterr().err
