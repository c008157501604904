"""Whether a restart finds its state, on stores of Bytewax."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from bytewax.recovery import init_db_dir

from dataflow.doctor import Case, Finding
from dataflow.doctor.recovery import findings, step_ids
from dataflow.recovery import provenance
from dataflow.settings import Embed, Settings
from tests.support.recovery import run, snaps

SETTINGS = Settings(embed=Embed(kind="null"))


def examined(folder: Path | None, *, cluster: bool = False, settings: Settings = SETTINGS) -> Finding:
    now = datetime.fromtimestamp(4e9, timezone.utc)
    (finding,) = findings(Case(settings, folder, cluster, now))
    return finding


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store of the flow with ``SETTINGS`` that holds state of its source."""
    made = tmp_path / "store"
    made.mkdir()
    init_db_dir(made, 1)
    part = made / "part-0.sqlite3"
    provenance.write(part, provenance.made_with(SETTINGS, dim=8, model="m 1"))
    snaps(part, [("driftline.source", "a.jsonl", 3, 7)])
    run(part, 0, 1, 1, {0: 4})
    return made


def test_a_folder_without_a_store(tmp_path: Path) -> None:
    assert examined(None).status == "skipped"
    assert examined(tmp_path / "none").status == "wrong"
    assert examined(tmp_path).status == "wrong"
    assert examined(tmp_path, cluster=True).status == "ok"


def test_a_store_that_fits_says_where_the_flow_resumes(folder: Path) -> None:
    finding = examined(folder)
    assert finding.status == "ok"
    assert f"{folder}: 1 partition; resumes at epoch 4, last written " in finding.message


def test_state_of_other_settings_is_wrong(folder: Path) -> None:
    longer = SETTINGS.window.model_copy(update={"length": timedelta(hours=1)})
    finding = examined(folder, settings=SETTINGS.model_copy(update={"window": longer}))
    assert finding.status == "wrong"
    assert "window.length=600s, and now it is 3600s" in finding.message
    dim = SETTINGS.model_copy(update={"embed": Embed(kind="null", dim=16)})
    assert "embedding.dim=8, and now it is 16" in examined(folder, settings=dim).message


def test_state_of_a_step_that_the_flow_does_not_have_is_a_warning(folder: Path) -> None:
    assert "driftline.source" in step_ids(SETTINGS)
    snaps(folder / "part-0.sqlite3", [("driftline.gone", "k", 3, 7)])
    finding = examined(folder)
    assert finding.status == "warning"
    assert "driftline.gone; it stays unused" in finding.message
