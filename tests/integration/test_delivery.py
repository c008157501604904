"""Nothing is lost and nothing comes twice, whatever fails: the short form of ``benchmarks.chaos``."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.chaos import plan, stream
from benchmarks.chaos.delivery import Proof, prove
from benchmarks.chaos.plan import Route
from export.serve.sidecar import Sidecar

pytestmark = pytest.mark.integration

RECORDS = stream.records(11, 900)
BROKER_REFUSES, STORE_SILENT = f"broker {plan.REFUSES}", f"object store {plan.SILENT}"


def proof_of(
    route: Route, kinds: Sequence[str], folder: Path, *, triton: Sidecar | None = None, mount: bool = True
) -> Proof:
    faults = plan.plan(11, route, len(kinds), kinds, long_faults=False)
    return prove(route, faults, RECORDS, folder=folder, triton=triton, mount=mount)


@pytest.mark.parametrize(
    ("route", "kinds"),
    [
        ("kafka", [plan.KILL_FLOW, BROKER_REFUSES, plan.RECEIVER_FAILS, plan.STORE_FULL]),
        ("delta", [plan.KILL_FLOW, STORE_SILENT, plan.SINK_FULL, plan.RECEIVER_HANGS]),
        ("files", [plan.KILL_FLOW, plan.STOP_FLOW, plan.SINK_FULL, plan.RECEIVER_REFUSES]),
    ],
)
def test_each_record_is_delivered_whatever_fails(route: Route, kinds: list[str], tmp_path: Path) -> None:
    proof = proof_of(route, kinds, tmp_path)
    assert proof.good, proof.as_json()
    assert proof.accounts.scored + proof.accounts.late + proof.accounts.dead == len(RECORDS)
    assert proof.starts > 1


def test_with_a_triton_that_is_killed_all_scores_are_equal_to_the_bit(
    sidecar_venv: Path, repository: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "proof"
    folder.mkdir()
    with Sidecar(repository, venv=sidecar_venv, log=tmp_path / "triton.log") as triton:
        proof = proof_of("files", [plan.KILL_TRITON, plan.KILL_FLOW], folder, triton=triton)
    assert proof.good, proof.as_json()
    assert max(sink.worst for sink in proof.sinks.values()) == 0


def test_a_full_disk_without_the_right_to_mount(tmp_path: Path) -> None:
    proof = proof_of("files", [plan.SINK_FULL, plan.STORE_FULL], tmp_path, mount=False)
    assert proof.good, proof.as_json()
    assert proof.disk.startswith("a limit")
