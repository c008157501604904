"""What a model repository says of itself, and what is refused because of it."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from dataflow import settings
from dataflow.embed import repository
from dataflow.embed.repository import ENCODER, MODEL, Identity, Layout
from dataflow.errors import ContractError

SUM = "d3f99dcf4bd8f7767fb352d18c73ef5883cb76ba06c5bf1bcf8c44f9e996a84e"
MINE = Identity("all-MiniLM-L6-v2", "fp32", 384, SUM)
OTHER = Identity("all-MiniLM-L6-v2", "bf16", 384, SUM[::-1])

PATHS = {
    "config": "r/m/config.pbtxt",
    "model": "r/m/2",
    "tokenizer": "r/m/2/tokenizer.json",
    "served_spec": "r/m/2/spec.json",
    "encoder_config": "r/m_encoder/config.pbtxt",
    "encoder": "r/m_encoder/2",
    "graph": "r/m_encoder/2/model.onnx",
    "reference": "r/m_encoder/2/reference.npy",
    "spec": "r/m_encoder/2/spec.json",
}


def hold(root: Path, *versions: int, policy: str = "") -> None:
    for version in versions:
        folder = root / "sbert_encoder" / str(version)
        folder.mkdir(parents=True, exist_ok=True)
        spec = {"name": MINE.name, "precision": "fp32", "dim": 384, "sha256": SUM, "kept": None}
        (folder / "spec.json").write_text(json.dumps(spec))
    (root / "sbert").mkdir(exist_ok=True)
    (root / "sbert" / "config.pbtxt").write_text(f'name: "sbert"\n{policy}\nmax_batch_size: 8\n')


def test_the_layout_is_the_one_that_triton_and_the_settings_expect() -> None:
    assert settings.Embed().model == MODEL
    layout = Layout(Path("r"), "2", "m")
    found = {name: str(getattr(layout, name)) for name in PATHS}
    assert found == PATHS
    assert Layout(Path("r"), "2", MODEL).encoder_config == Path("r", ENCODER, "config.pbtxt")


@pytest.mark.parametrize(
    ("policy", "asked", "newest"),
    [
        ("", None, "10"),
        ("version_policy: { specific { versions: [1] } }", [1], "1"),
        ("version_policy { specific { versions: [ 9, 1 ] } }", [1, 9], "9"),
        ("version_policy: {\n  specific: {\n    versions: 1\n    versions: 9\n  }\n}", [1, 9], "9"),
        ("version_policy: { specific { versions: [9, 11] } }", [9, 11], "9"),
        ("version_policy: { specific { versions: [11] } }", [11], None),
        ("version_policy: { all { } }", None, "10"),
        ("version_policy: { latest { num_versions: 1 } }", None, "10"),
        ("# version_policy: { specific { versions: [1] } }", None, "10"),
    ],
)
def test_the_newest_is_the_one_that_triton_would_answer_with(
    tmp_path: Path, policy: str, asked: Sequence[int] | None, newest: str | None
) -> None:
    hold(tmp_path, 1, 9, 10, policy=policy)
    (tmp_path / "sbert_encoder" / "12").mkdir()  # not whole
    assert repository.versions_asked_for(tmp_path, "sbert") == asked
    assert repository.newest(tmp_path, "sbert") == newest
    assert repository.newest(tmp_path, "other") is None


def test_a_version_is_known_by_its_number_and_its_sum(tmp_path: Path) -> None:
    hold(tmp_path, 1)
    found = repository.identity(tmp_path, "sbert", "1")
    assert found == MINE
    assert repository.identity(tmp_path, "sbert", "2") is None
    assert repository.label("1", found) == "1+d3f99dcf4bd8"
    assert repository.label("1", None) == "1"
    assert repository.pinned("1+d3f9") == ("1", "d3f9")
    assert repository.pinned("12") == ("12", "")
    assert repository.pinned(None) == ("", "")


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"name": 1, "dim": "x"}', "\ufffd"])
def test_what_says_nothing_is_no_identity(text: str) -> None:
    assert repository.parsed(text) is None


def test_what_is_as_expected_passes() -> None:
    repository.require_same_model(None, "it", sha256="", dim=384, held=MINE)
    repository.require_same_model(MINE, "it", sha256="", dim=384, held=None)
    repository.require_same_model(MINE, "it", sha256=SUM[:4], dim=384, held=MINE)
    repository.require_same_model(MINE, "it", sha256=SUM, dim=384, held=MINE)


@pytest.mark.parametrize(
    ("found", "sha256", "dim", "held", "said"),
    [
        (
            None,
            "d3f9",
            384,
            None,
            "it does not say which model it is, DRIFTLINE_EMBED__VERSION asks for d3f9",
        ),
        (
            MINE,
            "abcd",
            384,
            None,
            r"it is all-MiniLM-L6-v2 fp32 of sha256 d3f99dcf4bd8, .*VERSION asks for abcd",
        ),
        (MINE, "", 768, None, "with 384 dimensions, but it returns 768"),
        (MINE, "", 384, OTHER, r"embed.repository holds all-MiniLM-L6-v2 bf16 .*DRIFTLINE_EMBED__REPOSITORY"),
    ],
)
def test_what_is_not_is_refused_in_one_line(
    found: Identity | None, sha256: str, dim: int, held: Identity | None, said: str
) -> None:
    with pytest.raises(ContractError, match=said) as refused:
        repository.require_same_model(found, "it", sha256=sha256, dim=dim, held=held)
    assert "\n" not in str(refused.value)
