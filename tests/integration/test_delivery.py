"""Nothing is lost and nothing comes twice, whatever fails: the short form of ``benchmarks.chaos``."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.chaos import plan, stream
from benchmarks.chaos.delivery import Proof, prove
from benchmarks.chaos.plan import Fault, Route
from export.serve.sidecar import Sidecar

pytestmark = pytest.mark.integration

RECORDS = stream.records(11, 900)


FAULTS: dict[Route, list[Fault]] = {
    "kafka": [
        Fault(plan.KILL_FLOW, 0.0, False, 0.5),
        Fault(f"broker {plan.SLOW}", 5.0, True, 0.0),  # many rows wait in the client when the kill comes
        Fault(f"broker {plan.REFUSES}", 2.0, False, 0.2),
        Fault(plan.RECEIVER_FAILS, 1.5, False, 0.3),
        Fault(plan.STORE_FULL, 2.0, False, 0.3),
    ],
    "delta": [
        Fault(f"object store {plan.SILENT}", 3.0, True, 0.0),
        Fault(plan.KILL_FLOW, 0.0, False, 0.5),
        Fault(plan.SINK_FULL, 2.5, False, 0.3),
        Fault(plan.RECEIVER_HANGS, 1.5, False, 0.3),
    ],
    "files": [
        Fault(plan.KILL_FLOW, 0.0, False, 0.5),
        Fault(plan.SINK_FULL, 2.5, False, 0.1, "rename"),
        Fault(plan.RECEIVER_REFUSES, 1.5, True, 0.1, "copy and truncate"),
        Fault(plan.STOP_FLOW, 0.0, False, 0.3, "rename"),
    ],
}


def proof_of(
    route: Route, faults: Sequence[Fault], folder: Path, *, triton: Sidecar | None = None, mount: bool = True
) -> Proof:
    return prove(route, faults, RECORDS, folder=folder, triton=triton, mount=mount)


@pytest.mark.parametrize("route", plan.ROUTES)
def test_each_record_is_delivered_whatever_fails(route: Route, tmp_path: Path) -> None:
    proof = proof_of(route, FAULTS[route], tmp_path)
    assert proof.good, proof.as_json()
    assert proof.accounts.scored + proof.accounts.late + proof.accounts.dead == len(RECORDS)
    assert proof.starts > 1


def test_with_a_triton_that_is_killed_all_scores_are_equal_to_the_bit(
    sidecar_venv: Path, repository: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "proof"
    folder.mkdir()
    with Sidecar(repository, venv=sidecar_venv, log=tmp_path / "triton.log") as triton:
        kill = Fault(plan.KILL_TRITON, 2.0, True, 0.0)
        proof = proof_of("files", [kill, Fault(plan.KILL_FLOW, 0.0, False, 0.5)], folder, triton=triton)
    assert proof.good, proof.as_json()
    assert max(sink.worst for sink in proof.sinks.values()) == 0


def test_a_full_disk_without_the_right_to_mount(tmp_path: Path) -> None:
    faults = [Fault(plan.SINK_FULL, 2.5, False, 0.1), Fault(plan.STORE_FULL, 2.5, True, 0.1)]
    proof = proof_of("files", faults, tmp_path, mount=False)
    assert proof.good, proof.as_json()
    assert proof.disk.startswith("a limit")
