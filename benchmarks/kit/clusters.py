"""Bytewax clusters that a benchmark starts and kills.

A fork server has imported everything, so that a cluster starts in milliseconds.
"""

import multiprocessing
import os
import random
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from bytewax._bytewax import cli_main
from bytewax.recovery import RecoveryConfig

from dataflow.settings import BytewaxRun
from tests.support import paced

Cluster = list[BaseProcess]

#: No process may take longer to start, to end, or to write the next row.
HUNG_S = 120.0

_FORKS = multiprocessing.get_context("forkserver")


def start(env: dict[str, str], processes: int, store: Path | None, interval_s: float) -> Cluster:
    """Start a flow. ``interval_s`` is the time between two snapshots in ``store``.

    ``env`` holds the settings of the flow, ``PACE`` (see ``tests.support.paced``) and ``OUT``, the folder of
    the output.
    """
    _FORKS.set_forkserver_preload(["tests.support.paced", "dataflow.source.files", "dataflow.sink.files"])
    addresses = list(_addresses(processes))
    for stale in Path(env["OUT"]).glob("*.alive"):
        stale.unlink()
    cluster: Cluster = [
        _FORKS.Process(target=_work, args=(env, number, addresses, store, interval_s), daemon=True)
        for number in range(processes)
    ]
    for process in cluster:
        process.start()
    return cluster


def _work(
    env: dict[str, str], number: int, addresses: list[str], store: Path | None, interval_s: float
) -> None:
    os.environ.update(env)
    out = Path(env["OUT"])
    log = os.open(out / "errors.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 2)
    flow = paced.flow(BytewaxRun(store, tuple(addresses)))
    (out / f"{number}.alive").touch()
    cluster = {"process_id": number, "addresses": addresses} if len(addresses) > 1 else {}
    recovery = RecoveryConfig(str(store), timedelta(0)) if store else None
    cli_main(flow, epoch_interval=timedelta(seconds=interval_s), recovery_config=recovery, **cluster)


def _addresses(count: int) -> Iterator[str]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    for server in servers:
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.close()


def run_for_a_moment(cluster: Cluster, out: Path, rng: random.Random) -> None:
    """Mostly as long as some batches take; sometimes the cluster has not even started."""
    if rng.random() < 0.1:
        time.sleep(rng.uniform(0, 0.3))
        return
    hung = time.monotonic() + HUNG_S
    while len(list(out.glob("*.alive"))) < len(cluster) and not finished(cluster):
        if time.monotonic() > hung:
            return
        time.sleep(0.01)
    wait([process.sentinel for process in cluster], rng.expovariate(1 / 0.5))


def finished(cluster: Cluster) -> bool:
    """Whether all processes have ended with exit code 0."""
    return all(process.exitcode == 0 for process in cluster)


def reads_to_the_end(cluster: Cluster, out: Path) -> bool:
    """Wait as long as the cluster writes; whether all processes then end with exit code 0."""
    written = -1
    while (now := sum(path.stat().st_size for path in out.glob("*.jsonl"))) > written:
        written = now
        _join(cluster, HUNG_S)
    return ends(cluster, 0.0) and finished(cluster)


def ends(cluster: Cluster, within_s: float) -> bool:
    """Whether all processes end in time, with any exit code. Kills the processes that do not end."""
    _join(cluster, within_s)
    hung = [process for process in cluster if process.is_alive()]
    for process in hung:
        process.kill()
        process.join()
    return not hung


def _join(cluster: Cluster, within_s: float) -> None:
    limit = time.monotonic() + within_s
    for process in cluster:
        process.join(max(0.0, limit - time.monotonic()))
