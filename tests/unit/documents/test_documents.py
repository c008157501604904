"""The documents lead to what is there, the decisions are listed, and CI runs what everybody runs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import dataflow
from tests.support.paths import ROOT

# Not CHANGELOG.md: what a version had may be gone.
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
GITHUB = ROOT / ".github"
FORMS = [GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml" for name in ("bug", "feature")]
MAKEFILE = (ROOT / "Makefile").read_text()
CI = (ROOT / ".ci" / "run").read_text()


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(document: Path) -> str:
    """The text without its blocks of code."""
    return re.sub(r"(?ms)^```.*?^```$", "", document.read_text())


def anchors(document: Path) -> set[str]:
    """What GitHub makes of the headings."""
    found: list[str] = []
    for heading in re.findall(r"(?m)^#+ (.+)$", prose(document)):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.append(slug if slug not in found else f"{slug}-{found.count(slug)}")
    return set(found)


def headings(document: Path) -> list[str]:
    return re.findall(r"(?m)^## (.+)$", prose(document))


def mapping(path: Path) -> dict[Any, Any]:
    loaded = yaml.safe_load(path.read_text())
    assert isinstance(loaded, dict)
    return loaded


def supported() -> list[str]:
    """The versions of CPython that the Makefile takes."""
    bounds = re.search(r"\(3, (\d+)\) <= sys\.version_info\[:2\] <= \(3, (\d+)\)", MAKEFILE)
    assert bounds
    return [f"3.{minor}" for minor in range(int(bounds[1]), int(bounds[2]) + 1)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_relative_links_lead_to_files_and_headings(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_paths_and_targets_of_make_exist(document: Path) -> None:
    text = document.read_text()
    for path in re.findall(r"`((?:dataflow|export|k8s|docs|tests|benchmarks|demo)/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path
    for target in re.findall(r"`make ([a-z][a-z-]*)", text):
        assert re.search(rf"(?m)^{target}:", MAKEFILE), target


def test_image_tags_are_those_of_this_version() -> None:
    places = [*(ROOT / "docker").iterdir(), *(ROOT / "k8s").rglob("*.yaml"), *DOCUMENTS]
    tags = [
        (name(place), tag)
        for place in places
        for tag in re.findall(r"driftline/[a-z]+:([\w.-]+)|newTag: (\S+)", place.read_text())
    ]
    assert tags
    for place, either in tags:
        tag = "".join(either)
        assert tag == dataflow.__version__ or tag.startswith(f"{dataflow.__version__}-"), (place, tag)


@pytest.mark.parametrize("record", DECISIONS, ids=name)
def test_a_decision_has_all_headings(record: Path) -> None:
    assert record.read_text().startswith(f"# {record.name[:4]}: ")
    assert headings(record) == ["Status", "Context", "Decision", "Consequences"]
    for section in re.split(r"(?m)^## ", record.read_text())[1:]:
        assert section.partition("\n")[2].strip(), f"{section.strip()} is empty"


def test_every_decision_is_in_the_table_with_its_status() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    rows = re.findall(r"(?m)^\| \[(\d{4})\]\((\S+)\) \| .+ \| (.+) \|$", index)
    assert [file for _, file, _ in rows] == [record.name for record in DECISIONS]
    assert [number for number, _, _ in rows] == [f"{n:04}" for n in range(1, len(DECISIONS) + 1)]
    for record, (_, _, status) in zip(DECISIONS, rows, strict=True):
        said = re.search(r"(?m)^## Status\n\n(.+)$", record.read_text())
        assert said
        assert said[1].lower().startswith(status), record.name


@pytest.mark.parametrize("form", FORMS, ids=name)
def test_issue_forms_are_such_as_github_takes(form: Path) -> None:
    loaded = mapping(form)
    assert loaded["name"]
    assert loaded["description"]
    asked = [each for each in loaded["body"] if each["type"] != "markdown"]
    assert all(each["type"] in {"textarea", "input", "dropdown", "checkboxes"} for each in asked)
    assert all(each["attributes"]["label"] for each in asked)
    assert len({each["id"] for each in asked}) == len(asked)
    assert any(each.get("validations", {}).get("required") for each in asked)


def test_there_are_no_blank_issues() -> None:
    assert mapping(GITHUB / "ISSUE_TEMPLATE" / "config.yml")["blank_issues_enabled"] is False


def test_a_pull_request_is_asked_for_what_contributing_asks_for() -> None:
    template = (GITHUB / "pull_request_template.md").read_text()
    boxes = re.findall(r"(?m)^- \[ \] (.+)$", template)
    for what in ("test", "documents", "`CHANGELOG.md`", "`make lock`", "`docs/decisions/`", "`.ci/run`"):
        assert any(what in box for box in boxes), what


def test_the_workflow_only_prepares_a_machine_for_ci_run() -> None:
    workflow = mapping(GITHUB / "workflows" / "ci.yml")
    (job,) = workflow["jobs"].values()
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is True
    assert job["timeout-minutes"] == 90
    assert job["strategy"]["matrix"]["python"] == supported()
    assert job["env"]["PYTHON"] == "python${{ matrix.python }}"  # else the image's own would be taken
    *_, installs, last = [step["run"] for step in job["steps"] if "run" in step]
    assert last == ".ci/run"
    needed = re.findall(r"command -v \S+ >/dev/null \|\| \(?install ([\w.-]+)", CI)
    assert needed
    assert set(needed) <= set(installs.split())


def test_actions_are_pinned_by_commit() -> None:
    for workflow in (GITHUB / "workflows").iterdir():
        used = re.findall(r"uses: (.+)", workflow.read_text())
        assert used
        for each in used:
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each), each


def test_the_development_container_makes_the_environment() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert container["postCreateCommand"] == "make venv"
    assert re.search(r"(?m)^venv:", MAKEFILE)
    version = re.search(r"python:(3\.\d+)-", container["image"])
    assert version
    assert version[1] in supported()
