"""A resume ignores what a crash left in the recovery store, and refuses a store that has lost data."""

import json
import random
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from bytewax.recovery import init_db_dir

from dataflow.doctor import __main__ as doctor
from dataflow.flow import flow
from dataflow.recovery import provenance
from dataflow.recovery.partitions import partition_paths
from dataflow.recovery.store import prepare
from tests.support.flows import environment, run, scores
from tests.support.recovery import other_flow

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
KEYS = 30


def write_sparse_stream(folder: Path) -> dict[Path, list[str]]:
    """Three ordered files of many keys with few events each. Returns the lines of each file."""
    rng, files = random.Random(3), {}
    for file in range(3):
        times = sorted(rng.uniform(0, 4 * 3600) for _ in range(500))
        events = [
            {
                "id": f"{file}-{number}",
                "host": f"h{file}-{rng.randrange(KEYS)}",
                "ts": (START + timedelta(seconds=round(at, 3))).isoformat(),
                "text": f"text {rng.randrange(500)}",
            }
            for number, at in enumerate(times)
        ]
        files[folder / f"{file}.jsonl"] = [json.dumps(event) + "\n" for event in events]
    return files


def make_store(folder: Path) -> tuple[str, ...]:
    """Make a store of four partitions; the flags for as many snapshots as possible, none of them deleted."""
    folder.mkdir()
    init_db_dir(folder, 4)
    return ("-r", str(folder), "-s", "0", "-b", "1000000")


def move_fronts_back(store: Path, epochs: int) -> None:
    """Leave the snapshots that a kill leaves between the commit of a partition and the commit of the front:
    snapshots of epochs that did not finish.
    """
    for path in store.glob("part-*.sqlite3"):
        with closing(sqlite3.connect(path)) as database, database:
            newest = "ex_num = (SELECT max(ex_num) FROM fronts)"
            database.execute(f"UPDATE fronts SET worker_frontier = worker_frontier - {epochs} WHERE {newest}")


@pytest.mark.parametrize("store", ["fp32", "fp16"])
def test_snapshots_of_an_epoch_that_did_not_finish_never_count(tmp_path: Path, store: str) -> None:
    files = write_sparse_stream(tmp_path)

    def read(share: float, batch_rows: int, on_eof: str) -> None:
        for path, lines in files.items():
            path.write_text("".join(lines[: int(share * len(lines))]))
        settings = {"SOURCE__BATCH_ROWS": str(batch_rows), "WINDOW__ON_EOF": on_eof, "EMBED__STORE": store}
        run(environment(tmp_path, **{f"DRIFTLINE_{name}": value for name, value in settings.items()}), *flags)

    flags: tuple[str, ...] = ()
    read(1.0, 100, "close")
    undisturbed = scores(tmp_path / "out/scores.jsonl")
    flags = make_store(tmp_path / "recovery")
    read(0.4, 10, "keep")
    move_fronts_back(tmp_path / "recovery", 20)
    # The epochs of this run are fewer than those that did not finish, and have other keys.
    read(0.6, 1000, "keep")
    # This run has more epochs than those that did not finish, and many keys have no event in this run.
    read(0.62, 1, "keep")
    read(1.0, 100, "close")
    assert scores(tmp_path / "out/scores.jsonl") == undisturbed


def failure(env: dict[str, str], *flags: str) -> str:
    """Runs a flow that fails. Returns the line that says why."""
    said = run(env | {"DRIFTLINE_LOG__LEVEL": "error"}, *flags, code=1)
    assert said.count("\n") == 1, said
    return said


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("driftline.window.keep", "rows of a"),
        ("driftline.window.read", "the state has lost"),
    ],
)
def test_a_store_that_lost_rows_ends_the_flow_with_one_line(tmp_path: Path, step: str, says: str) -> None:
    files = write_sparse_stream(tmp_path)
    flags = make_store(tmp_path / "recovery")
    for path, lines in files.items():
        path.write_text("".join(lines[:250]))
    env = environment(tmp_path, DRIFTLINE_WINDOW__ALLOWED_LATENESS="1h")
    run(env | {"DRIFTLINE_WINDOW__ON_EOF": "keep"}, *flags)
    for path in (tmp_path / "recovery").glob("part-*.sqlite3"):
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("DELETE FROM snaps WHERE step_id = ?", (step,))
    for path, lines in files.items():
        path.write_text("".join(lines))
    assert says in failure(env, *flags)


class Kept(NamedTuple):
    """A store that holds windows which have not closed."""

    env: dict[str, str]
    store: Path
    flags: tuple[str, ...]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("kept")
    for path, lines in write_sparse_stream(folder).items():
        path.write_text("".join(lines[:50]))
    env = environment(folder, DRIFTLINE_WINDOW__ON_EOF="keep")
    flags = make_store(folder / "recovery")
    run(env, *flags)
    return Kept(env, folder / "recovery", flags)


StartHere = Callable[..., str]


@pytest.fixture
def start_here(kept: Kept, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> StartHere:
    """Starts the flow in this process. The flow must refuse the store. Returns its error line."""

    def start(**settings: str) -> str:
        here = {"BYTEWAX_RECOVERY_DIRECTORY": str(kept.store)}
        for name, value in {**kept.env, **here, **settings}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["bytewax.run"])
        with pytest.raises(SystemExit) as caught:
            flow()
        assert caught.value.code == 2
        lines = capsys.readouterr().err.splitlines()
        assert len([line for line in lines if line.startswith("driftline: ")]) == 1
        return lines[-1]

    return start


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("WINDOW__LENGTH", "1h", "window.length=600s, and now it is 3600s"),
        ("WINDOW__SLIDE", "1m", "window.slide=300s, and now it is 60s"),
        ("WINDOW__ALIGN_TO", "2026-01-01T00:01:00Z", "window.align_to="),
        ("WINDOW__KIND", "session", "window.kind=sliding, and now it is session"),
        ("SOURCE__KEY_FIELD", "text", "source.key_field=host, and now it is text"),
        ("EMBED__STORE", "fp16", "embed.store=fp32, and now it is fp16"),
        ("EMBED__DIM", "16", "embedding.dim=8, and now it is 16"),
        ("WINDOW__MAX_WINDOW_ROWS", "100", "window.max_window_rows=unset, and now it is set"),
    ],
)
def test_a_store_of_other_settings_is_refused_in_one_line(
    start_here: StartHere, capsys: pytest.CaptureFixture[str], setting: str, value: str, says: str
) -> None:
    assert says in start_here(**{f"DRIFTLINE_{setting}": value})
    assert doctor.main([]) == 2
    assert says in capsys.readouterr().out


def test_a_store_that_is_in_use_is_refused(kept: Kept, start_here: StartHere) -> None:
    made_with = provenance.read(partition_paths(kept.store))
    with other_flow(kept.store, made_with=made_with) as other:
        assert "another flow uses this store" in start_here()
        other.communicate()


def test_a_file_that_is_gone_is_named(kept: Kept, start_here: StartHere, tmp_path: Path) -> None:
    gone = kept.store.parent / "1.jsonl"
    gone.rename(tmp_path / "1.jsonl")
    line = start_here()
    (tmp_path / "1.jsonl").rename(gone)
    assert f"{gone}: was read before the restart" in line


def test_all_that_snapshots_hold_is_plain_data(kept: Kept) -> None:
    parts = [str(path) for path in kept.store.parent.glob("*.jsonl")]
    checks: dict[str, Any] = {"fixed": (), "source_step": "driftline.source", "source_parts": parts}
    held = prepare(kept.store, provenance.read(partition_paths(kept.store)), **checks)
    assert held
    held.lock.close()
    assert held.states > 20


def test_a_disk_that_is_full_ends_the_flow_with_a_line_that_says_so(tmp_path: Path) -> None:
    for path, lines in write_sparse_stream(tmp_path).items():
        path.write_text("".join(lines))
    flags = make_store(tmp_path / "recovery")
    env = environment(tmp_path, DRIFTLINE_SINK__SCORES="", DRIFTLINE_LOG__LEVEL="error")
    done = subprocess.run(
        [sys.executable, "-m", "bytewax.run", "dataflow.flow:flow", *flags],
        # Python would leave a part of its bytecode where other tests read it.
        env=env | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000)),
    )
    assert done.returncode == 1
    assert "the recovery store cannot be written: disk I/O error" in done.stderr.splitlines()[-1]
    # Bytewax itself writes the lines before the last one.
    assert "Traceback" not in done.stderr
