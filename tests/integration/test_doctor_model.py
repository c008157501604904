"""``python -m dataflow.doctor`` with the real Triton: all is well, or the server has another model."""

import json
import re
from pathlib import Path

import pytest

from export.serve.sidecar import Sidecar
from tests.support.doctor import Examine, examiner, statuses
from tests.support.flows import recovery

pytestmark = pytest.mark.integration


@pytest.fixture
def examine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Examine:
    return examiner(tmp_path, monkeypatch, capsys)


def files(folder: Path) -> set[tuple[Path, float]]:
    return {(path, path.stat().st_mtime) for path in folder.rglob("*")}


def test_all_is_well_and_nothing_is_touched(
    examine: Examine, tmp_path: Path, triton: Sidecar, repository: Path
) -> None:
    recovery(tmp_path / "store")
    before = files(tmp_path)
    code, found = examine(
        f"--recovery={tmp_path}/store",
        EMBED__KIND="triton",
        EMBED__URL=triton.url,
        EMBED__DIM="384",
        EMBED__REPOSITORY=str(repository),
    )
    assert code == 0
    assert set(statuses(found).values()) == {"ok"}, found
    assert re.search(r"sbert version 1\+\w{12}, 384 dimensions; one text took", found["embedder"][1])
    assert "all-MiniLM-L6-v2" in found["model"][1]
    # The machines that run the tests have no GPU.
    assert found["device"] == ("ok", "the server runs the model on the CPU")
    assert "2 partitions, new" in found["recovery"][1]
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("settings", "check", "status", "says"),
    [
        ({"EMBED__MODEL": "nope"}, "embedder", "wrong", "has no usable model 'nope'"),
        ({"EMBED__VERSION": "7"}, "embedder", "wrong", "no usable model"),
        ({"EMBED__DIM": "768"}, "embedder", "wrong", "gives 384 dimensions"),
        ({"EMBED__REPOSITORY": "no/where"}, "model", "skipped", "no model here"),
        ({"EMBED__REPOSITORY": "{changed}"}, "embedder", "wrong", "embed.repository holds"),
        ({"EMBED__REPOSITORY": "{other}"}, "model", "warning", "cannot be compared with"),
        ({"EMBED__REPOSITORY": "{newer}"}, "model", "warning", "but 2 is to be served"),
        ({"EMBED__REPOSITORY": "{broken}"}, "model", "warning", "does not say what it is"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_server_that_has_another_model(
    examine: Examine,
    triton: Sidecar,
    repository: Path,
    tmp_path: Path,
    settings: dict[str, str],
    check: str,
    status: str,
    says: str,
) -> None:
    real = (repository / "sbert_encoder" / "1" / "spec.json").read_text()
    changed = json.dumps(json.loads(real) | {"sha256": "0" * 64})
    folders = {}
    for name, specs in {
        "changed": {"1": changed},
        "other": {"3": changed},
        "newer": {"1": real, "2": changed},
        "broken": {"1": "{"},
    }.items():
        folders[name] = str(tmp_path / name)
        for version, spec in specs.items():
            path = tmp_path / name / "sbert_encoder" / version / "spec.json"
            path.parent.mkdir(parents=True)
            path.write_text(spec)
    code, found = examine(
        EMBED__KIND="triton",
        EMBED__URL=triton.url,
        EMBED__DIM=settings.get("EMBED__DIM", "384"),
        **{name: value.format(**folders) for name, value in settings.items() if name != "EMBED__DIM"},
    )
    assert found[check][0] == status
    assert says in found[check][1]
    assert code == (2 if status == "wrong" else 0), found
