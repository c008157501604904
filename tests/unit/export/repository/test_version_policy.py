"""The versions that a model repository asks its server to serve."""

from pathlib import Path

import pytest

from dataflow.embed.repository import ENCODER, MODEL, versions_asked_for
from export.repository import version_policy
from export.repository.configs import encoder_config, model_config


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in ((MODEL, model_config(4)), (ENCODER, encoder_config(4))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.pbtxt").write_text(text)
    return tmp_path


def test_what_is_written_is_read_and_nothing_else_changes(root: Path) -> None:
    assert versions_asked_for(root) is None
    version_policy.ask_for(root, {3})
    version_policy.ask_for(root, {12, 2})
    assert versions_asked_for(root) == [2, 12]
    assert (root / MODEL / "config.pbtxt").read_text() == (
        model_config(4) + "version_policy: { specific { versions: [2, 12] } }\n"
    )
    assert (root / ENCODER / "config.pbtxt").read_text().startswith(encoder_config(4))


def test_a_new_config_keeps_the_policy(root: Path) -> None:
    path = root / MODEL / "config.pbtxt"
    assert version_policy.with_policy_of(path, model_config(8)) == model_config(8)
    version_policy.ask_for(root, {5})
    path.write_text(version_policy.with_policy_of(path, model_config(8)))
    assert path.read_text().startswith(model_config(8))
    assert versions_asked_for(root) == [5]


def test_a_repository_that_is_not_there_asks_for_nothing(tmp_path: Path) -> None:
    assert versions_asked_for(tmp_path) is None


def test_saved_configs_are_written_back(root: Path) -> None:
    version_policy.ask_for(root, {2})
    before = [path.read_text() for path in version_policy.config_files(root)]
    restore = version_policy.saved(root)
    version_policy.ask_for(root, {3})
    (root / ENCODER / "config.pbtxt").unlink()
    restore()
    assert [path.read_text() for path in version_policy.config_files(root)] == before
    assert sorted(path.name for path in root.rglob("*.new")) == []
