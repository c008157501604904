"""``python -m export`` changes the version that a real Triton serves, and one version is always served."""

import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataflow import settings
from dataflow.embed import onnx
from dataflow.embed.repository import Layout, versions_asked_for
from dataflow.embed.triton import connect
from dataflow.errors import ContractError
from export.__main__ import main
from export.manage.triton import RunningTriton
from export.repository import install as repositories
from export.serve.sidecar import HOST, Sidecar
from tests.support.ports import free_port
from tests.support.restarted import started_again, through_crashes

pytestmark = pytest.mark.integration

Manage = Callable[..., int]


@pytest.fixture(scope="module")
def server(
    repository: Path, sidecar_venv: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sidecar]:
    folder = tmp_path_factory.mktemp("manage")
    root = folder / "repository"
    for model in ("sbert", "sbert_encoder"):
        shutil.copytree(repository / model / "1", root / model / "1")
        shutil.copy(repository / model / "config.pbtxt", root / model)
    with Sidecar(root, venv=sidecar_venv, log=folder / "triton.log") as sidecar, started_again(sidecar):
        yield sidecar


@pytest.fixture
def manage(server: Sidecar) -> Iterator[Manage]:
    """Runs a command. After the test, version 1 alone is there and served, as before."""

    def run(*arguments: str) -> int:
        where = [f"--url={server.url}", f"--repository={server.repository}", f"--key-file={server.key_file}"]
        return through_crashes(server, lambda: main([*arguments, *where]))

    yield run
    assert run("load", "--version", "1") == 0
    if others := [version for version in served(server) if version != 1]:
        assert run("unload", *(f"--version={version}" for version in others)) == 0
    for path in server.repository.glob("*/[2-9]"):
        shutil.rmtree(path)


def reaching(server: Sidecar, **more: Any) -> settings.Embed:
    return settings.Embed(url=server.url, repository=server.repository, **more)


def served(server: Sidecar) -> list[int]:
    with closing(RunningTriton(reaching(server), server.key_file)) as triton:
        return triton.ready()


def listed(manage: Manage, capsys: pytest.CaptureFixture[str]) -> dict[int, dict[str, Any]]:
    capsys.readouterr()
    assert manage("list", "--json") == 0
    return {row["version"]: row for row in json.loads(capsys.readouterr().out)}


def files(root: Path) -> set[str]:
    return {path.name for path in root.rglob("*.*") if "__pycache__" not in path.parts}


def test_a_new_version_takes_over_and_is_rolled_back(
    server: Sidecar, manage: Manage, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = listed(manage, capsys)
    assert list(before) == [1]
    assert (before[1]["state"], before[1]["precision"], before[1]["dim"]) == ("READY", "fp32", 384)
    assert before[1]["parity"] <= 1e-5

    assert manage("promote", "--keep", "--from", str(repository)) == 0
    assert served(server) == [1, 2]
    assert manage("unload", "--version", "1") == 0
    # Python may have written a __pycache__. Triton then loads the version again and counts from zero.
    assert manage("verify") == 0
    after = listed(manage, capsys)
    assert after[2]["state"] == "READY"
    assert after[2]["texts"] > 0
    assert after[1]["state"] != "READY"
    assert versions_asked_for(server.repository) == [2]

    assert manage("rollback") == 0
    assert served(server) == [1]
    # Both embedders take the version that is served, not the newest on disk, and give it the same name.
    embedders = [module.connect(reaching(server)) for module in (connect, onnx)]
    first, second = (embedder.embed(["a"]) for embedder in embedders)
    assert first.version == second.version
    assert first.version.startswith("1+")
    np.testing.assert_allclose(first.vectors, second.vectors, atol=1e-5)
    assert manage("load", "--version", "2") == 0
    assert served(server) == versions_asked_for(server.repository) == [1, 2]
    capsys.readouterr()
    assert manage("verify") == 0
    assert "fp32" in capsys.readouterr().out


def test_one_change_after_another_under_load_fails_no_text(
    server: Sidecar, manage: Manage, repository: Path
) -> None:
    following = reaching(server, follow=True, follow_interval=timedelta(seconds=0.1))
    embedder = connect.connect(following, log=print)
    texts = [f"user {i} logged in" for i in range(4)]
    expected = embedder.embed(texts).vectors
    seen, done = set[str](), threading.Event()

    def load() -> None:
        while not done.wait(0.02):  # the changes need a core, too
            answer = embedder.embed(texts)
            assert answer.failed == {}
            np.testing.assert_allclose(answer.vectors, expected, atol=1e-5)
            seen.add(answer.version.partition("+")[0])

    thread = threading.Thread(target=load)
    thread.start()

    try:
        assert manage("promote", "--from", str(repository)) == 0
        while seen <= {"1"}:  # a promote that met a crash may have taken number 2
            assert thread.is_alive()
            time.sleep(0.05)
        assert manage("rollback", "--to", "1") == 0
    finally:
        done.set()
        thread.join()
    assert embedder.embed(texts).version.startswith("1+")
    assert seen > {"1"}
    embedder.close()


def test_a_model_exported_anew_under_its_number_is_noticed(server: Sidecar, manage: Manage) -> None:
    following = connect.connect(reaching(server, follow=True, follow_interval=timedelta(hours=1)), log=print)
    agreed = connect.connect(reaching(server))
    before = following.embed(["a"]).version
    layout = Layout(server.repository)
    spec = repositories.read_spec(layout)
    assert spec
    try:
        # Only the spec of the version changes: the answers alone would not show the change.
        repositories.write_served_files(layout, replace(spec, precision="fp16"))
        with pytest.raises(ContractError, match=r"is all-MiniLM-L6-v2 fp32 .*holds all-MiniLM-L6-v2 fp16"):
            connect.connect(reaching(server))
        assert manage("load", "--version", "1") == 0
        assert following.embed(["a"]).version == following.version != before
        with pytest.raises(ContractError, match=r"refused .*version 1 is now all-MiniLM-L6-v2 fp16"):
            agreed.embed(["a"])
        with pytest.raises(ContractError, match=f"VERSION asks for {before[2:]}"):
            connect.connect(reaching(server, version=before))
    finally:
        repositories.write_served_files(layout, spec)
        assert manage("load", "--version", "1") == 0
    assert following.embed(["a"]).version == before


def broken_code(candidate: Path) -> None:
    (candidate / "sbert" / "1" / "model.py").write_text("raise RuntimeError('broken on purpose')\n")


def another_graph(candidate: Path) -> None:
    reference = Layout(candidate).reference
    np.save(reference, np.load(reference) + np.float32(2e-5))


def a_damaged_graph(candidate: Path) -> None:
    graph = Layout(candidate).graph
    graph.write_bytes(graph.read_bytes()[:1000])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (broken_code, "does not load sbert: .*broken on purpose"),
        (another_graph, r"version 2 \(fp32\) differs from its reference by 2e-05"),
        (a_damaged_graph, "does not load sbert_encoder"),
    ],
)
def test_a_version_that_fails_leaves_the_old_one_serving(
    server: Sidecar,
    manage: Manage,
    repository: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], None],
    said: str,
) -> None:
    candidate = tmp_path / "candidate"
    for model in ("sbert", "sbert_encoder"):
        shutil.copytree(repository / model, candidate / model)
    damage(candidate)
    before = files(server.repository)
    assert manage("promote", "--from", str(candidate)) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert re.search(said, lines[0])
    assert served(server) == [1]
    assert files(server.repository) == before
    assert versions_asked_for(server.repository) in ([1], None)
    assert manage("verify") == 0


def test_what_does_not_exist_is_a_mistake_of_the_user(
    server: Sidecar, manage: Manage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command, said in (
        ("load --version 7", "no complete version 7, only 1"),
        ("unload --version 7", "version 7 is not served"),
        ("rollback", "no version before 1"),
        ("promote", "name either MODEL, to export it, or --from"),
        (f"promote --from {tmp_path}", "holds no complete version"),
        (f"bench --texts {tmp_path}/none", "none"),
    ):
        assert manage(*command.split()) == 2
        assert said in capsys.readouterr().err
    assert served(server) == [1]


def test_a_server_that_is_away_is_a_failure(server: Sidecar, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--url", f"{HOST}:{free_port()}", "--repository", str(server.repository)]
    for command in ("list", "verify", "load", "rollback"):
        assert main([command, *where]) == 1
        assert "connection refused; is it running?" in capsys.readouterr().err


def test_bench_measures_each_combination(manage: Manage, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--batch", "1", "8", "--concurrency", "2", "--seconds", "0.3"]
    assert manage("bench", "--json", *sizes) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["batch"], row["concurrency"]) for row in rows] == [(1, 2), (8, 2)]
    for row in rows:
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
        assert row["texts_per_second"] > 0
