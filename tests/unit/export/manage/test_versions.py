"""Versions of a running server change without a gap, and stay as they are if anything fails."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from dataflow import settings
from dataflow.embed.repository import ENCODER, MODEL, Layout, versions_asked_for
from export.errors import FailedError, UsageError
from export.manage import verify, versions
from export.manage.triton import RunningTriton
from export.manage.verify import Verdict
from export.repository import configs, install, version_policy
from tests.support.specs import SPEC

OPTIONS = settings.Embed()


class Triton:
    """Serves what the configs of ``root`` ask for. ``failing``: (model, version) -> the error of its load."""

    url = "127.0.0.1:8001"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.served: dict[str, list[int]] = {MODEL: [], ENCODER: []}
        self.failing: dict[tuple[str, int], BaseException] = {}
        self.calls: list[str] = []

    def ready(self) -> list[int]:
        return list(self.served[MODEL])

    def load(self, model: str) -> None:
        self.calls.append(model)
        asked = versions_asked_for(self.root, MODEL) or versions.on_disk(self.root)[-1:]
        for version in asked:
            if error := self.failing.get((model, version)):
                raise error
        self.served[model] = asked


@pytest.fixture
def triton(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Triton:
    """A server of versions 1 and 2, which serves 1."""

    def unchanged(options: settings.Embed, layout: Layout) -> Verdict:
        if error := served.failing.get(("answer", int(layout.version))):
            raise error
        return Verdict(layout.version, "fp32", 0.0, 1.0, True)

    monkeypatch.setattr(verify, "require_unchanged", unchanged)
    served = Triton(tmp_path / "repository")
    for version in (1, 2):
        exported(served.root, version)
    version_policy.ask_for(served.root, {1})
    for model in (ENCODER, MODEL):
        served.load(model)
    served.calls.clear()
    return served


def exported(root: Path, version: int, dim: int = 384) -> None:
    layout = Layout(root, str(version))
    for folder in (layout.model, layout.encoder):
        folder.mkdir(parents=True)
    install.write_served_files(layout, replace(SPEC, dim=dim))


def make(dim: int = 384) -> versions.Make:
    return lambda scratch: exported(scratch, 1, dim)


def running(triton: Triton) -> RunningTriton:
    return cast("RunningTriton", triton)


def files(root: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in root.rglob("*") if path.is_file()}


def test_the_new_version_is_loaded_beside_the_old_and_encoders_outlive_their_callers(triton: Triton) -> None:
    said: list[str] = []
    versions.switch(running(triton), OPTIONS, triton.root, {2}, said.append)
    assert triton.served == {MODEL: [2], ENCODER: [2]}
    assert triton.calls == [ENCODER, MODEL, MODEL, ENCODER]
    assert versions_asked_for(triton.root) == [2]
    assert said[0] == "loading version 2 beside 1"
    assert said[-1] == "serving version 2"


def test_a_version_that_is_not_there_is_the_user_s_mistake(triton: Triton) -> None:
    before = files(triton.root)
    with pytest.raises(UsageError, match="has no complete version 7, only 1 and 2"):
        versions.switch(running(triton), OPTIONS, triton.root, {1, 7}, print)
    assert files(triton.root) == before
    assert triton.calls == []


@pytest.mark.parametrize("where", [MODEL, ENCODER, "answer"])
@pytest.mark.parametrize("error", [FailedError("broken"), KeyboardInterrupt()])
def test_a_failed_switch_serves_what_was_served(triton: Triton, where: str, error: BaseException) -> None:
    triton.failing = {(where, 2): error}
    with pytest.raises(type(error)):
        versions.switch(running(triton), OPTIONS, triton.root, {2}, print)
    assert triton.served == {MODEL: [1], ENCODER: [1]}
    assert versions_asked_for(triton.root) == [1]


def test_a_failed_switch_of_a_server_without_versions_leaves_the_configs_alone(triton: Triton) -> None:
    triton.served = {MODEL: [], ENCODER: []}
    before = files(triton.root)
    triton.failing = {(MODEL, 2): FailedError("broken")}
    with pytest.raises(FailedError):
        versions.switch(running(triton), OPTIONS, triton.root, {2}, print)
    assert files(triton.root) == before


@pytest.mark.parametrize(("keep", "served"), [(False, [3]), (True, [1, 3])])
def test_a_promoted_version_takes_the_next_number(triton: Triton, keep: bool, served: list[int]) -> None:
    assert versions.promote(running(triton), OPTIONS, triton.root, make(), print, keep=keep) == 3
    assert triton.ready() == versions_asked_for(triton.root) == served
    assert versions.on_disk(triton.root) == [1, 2, 3]
    assert list(triton.root.glob(".promote-*")) == []


@pytest.mark.parametrize("where", [MODEL, ENCODER, "answer"])
@pytest.mark.parametrize("error", [FailedError("broken"), KeyboardInterrupt()])
def test_a_failed_promotion_leaves_the_repository_as_it_was(
    triton: Triton, where: str, error: BaseException
) -> None:
    for path, text in zip(
        version_policy.config_files(triton.root), ("# encoder's own\n", "# model's own\n"), strict=True
    ):
        path.write_text(text + path.read_text())
    before = files(triton.root)
    triton.failing = {(where, 3): error}
    with pytest.raises(type(error)):
        versions.promote(running(triton), OPTIONS, triton.root, make(), print)
    assert files(triton.root) == before
    assert triton.served == {MODEL: [1], ENCODER: [1]}


def nothing(scratch: Path) -> None:
    """Makes no version."""


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (nothing, "holds no complete version"),
        (make(dim=768), "has 768 dimensions, all-MiniLM-L6-v2 in .* has 384: all versions of a model"),
    ],
)
def test_a_version_that_does_not_fit_is_refused_before_anything_changes(
    triton: Triton, made: Callable[[Path], Any], message: str
) -> None:
    before = files(triton.root)
    with pytest.raises(UsageError, match=message):
        versions.promote(running(triton), OPTIONS, triton.root, made, print)
    assert files(triton.root) == before
    assert triton.calls == []


def test_a_promoted_version_brings_its_configs_and_keeps_the_policy(triton: Triton) -> None:
    layout = Layout(triton.root)
    layout.config.write_text("version_policy: { specific { versions: [1] } }\n")
    versions.promote(running(triton), OPTIONS, triton.root, make(), print)
    assert layout.config.read_text() == (
        configs.model_config(384) + "version_policy: { specific { versions: [3] } }\n"
    )


def test_a_rollback_serves_the_version_before(triton: Triton) -> None:
    with pytest.raises(UsageError, match="has no version before 1"):
        versions.rollback(running(triton), OPTIONS, triton.root, print)
    versions.switch(running(triton), OPTIONS, triton.root, {2}, print)
    assert versions.rollback(running(triton), OPTIONS, triton.root, print) == 1
    assert versions.rollback(running(triton), OPTIONS, triton.root, print, to=2) == 2
    assert triton.ready() == [2]
    triton.served[MODEL] = []
    with pytest.raises(FailedError, match="serves no version"):
        versions.rollback(running(triton), OPTIONS, triton.root, print)


def test_a_version_is_copied_from_another_repository(triton: Triton, tmp_path: Path) -> None:
    exported(tmp_path / "other", 4)
    Layout(tmp_path / "other", "4").graph.write_text("the graph of 4")
    exported(tmp_path / "other", 9)
    for number, graph in ((4, "the graph of 4"), (None, None)):
        scratch = tmp_path / f"scratch-{number}"
        scratch.mkdir()
        versions.copy_version(tmp_path / "other", number)(scratch)
        assert versions.on_disk(scratch) == [1]
        copied = Layout(scratch).graph
        assert (copied.read_text() if copied.exists() else None) == graph
        assert all(path.is_file() for path in version_policy.config_files(scratch))
    for missing, number in ((tmp_path / "other", 5), (tmp_path / "none", None)):
        with pytest.raises(UsageError, match="holds no complete version"):
            versions.copy_version(missing, number)


def test_a_version_without_its_spec_or_its_model_is_incomplete(triton: Triton) -> None:
    Layout(triton.root, "1").spec.unlink()
    assert versions.on_disk(triton.root) == [2]
    exported(triton.root, 3)
    Layout(triton.root, "3").model.rename(triton.root / "away")
    assert versions.on_disk(triton.root) == [2]
