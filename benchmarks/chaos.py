"""``python -m benchmarks.chaos --kills 200 --processes 1 2 3``: does ``kill -9`` change a row?

Several streams (sliding windows with revisions and late events, sessions, one key over all partitions,
many keys with few events) each go once undisturbed and once killed and resumed over and over. Every row of
every output must be the same, once. The moments, the snapshot interval and the number of processes of each
life, and who is killed (all processes of a cluster, or one) come from the seed. The death of one ends the
others; but bytewax waits for ever for one that died while the cluster was coming up. Such lives are counted
as stuck and ended, as a liveness probe would. Exit code 1 if a row differs, or a life that was not killed
does not end.
"""

import argparse
import json
import multiprocessing
import os
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from bytewax._bytewax import cli_main
from bytewax.recovery import RecoveryConfig, init_db_dir

from dataflow.settings import BytewaxRun
from tests.support import paced

ROWS_A_BATCH, PACE_S = 30, 0.05
RECOVERY_PARTITIONS = 4
#: So much of a file is read, at this pace, in the time between two kills; and some more.
ROWS_A_KILL = 600
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
#: Each output, and what makes a row of it what it is.
OUTPUTS = {
    "scores": ("key", "window_start", "revision", "id"),
    "late": ("key", "id"),
    "dead": ("partition", "offset"),
}
#: No life may take longer to start, to end, or to write the next row.
HUNG_S = 120.0
#: So long the others may take to end when one has been killed.
STUCK_S = 20.0
INTERVALS_S = (0.0, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class Stream:
    """``keys`` over all ``files`` (0: the default key). ``stragglers``: the share that comes too late. The
    order in which files are read decides which windows they miss: a stream with stragglers has one file.
    """

    name: str
    files: int
    keys: int
    stragglers: float
    window: dict[str, str]


def _window(kind: str, **settings: str) -> dict[str, str]:
    return {"KIND": kind, **settings}


STREAMS = (
    Stream("sliding", 1, 6, 0.02, _window("sliding", LENGTH="30m", SLIDE="5m", ALLOWED_LATENESS="10m")),
    Stream("session", 1, 6, 0.02, _window("session", GAP="12s", ALLOWED_LATENESS="1m")),
    Stream("one key", 3, 0, 0.0, _window("sliding", LENGTH="10m", SLIDE="3m")),
    Stream("360 keys", 3, 360, 0.0, _window("sliding", LENGTH="30m", SLIDE="5m", ALLOWED_LATENESS="10m")),
)


@dataclass
class Verdict:
    """What became of one stream. ``lives``: starts, the last one included."""

    stream: str
    kills: int = 0
    lives: int = 0
    rows: int = 0
    missing: int = 0
    extra: int = 0
    twice: int = 0
    different: int = 0
    hung: int = 0
    stuck: int = 0

    @property
    def good(self) -> bool:
        return not (self.missing or self.extra or self.twice or self.different or self.hung)

    def __str__(self) -> str:
        counts = ", ".join(f"{v} {k}" for k, v in vars(self).items() if k != "stream")
        return f"{self.stream}: {'SAME' if self.good else 'DIFFERENT'}: {counts}"


def chaos(
    stream: Stream, folder: Path, *, kills: int, processes: list[int], rng: random.Random, deadline: float
) -> Verdict:
    """One stream, undisturbed and killed ``kills`` times, as far as ``deadline`` (monotonic) allows."""
    write(stream, folder, rows=kills * ROWS_A_KILL, rng=rng)
    verdict = Verdict(stream.name)
    calm, killed = (environment(stream, folder, folder / name) for name in ("calm", "killed"))
    if not _finishes(_start(calm, 1, None, 0.0), folder / "calm"):
        raise RuntimeError(f"the undisturbed run of {stream.name!r} failed; see {folder}/calm")
    store = folder / "recovery"
    store.mkdir()
    init_db_dir(store, RECOVERY_PARTITIONS)
    over = False
    while not over and verdict.kills < kills and time.monotonic() < deadline:
        paced = killed | {"PACE": str(PACE_S)}
        cluster = _start(paced, rng.choice(processes), store, rng.choice(INTERVALS_S))
        verdict.lives += 1
        _live(cluster, folder / "killed", rng)
        over = _over(cluster)
        victims = cluster if rng.random() < 0.5 else [rng.choice(cluster)]
        for process in () if over else victims:
            process.kill()
        if over:
            continue
        verdict.kills += 1
        verdict.stuck += not _ends(cluster, STUCK_S, killed=True)
    if not over:
        verdict.lives += 1
        verdict.hung += not _finishes(_start(killed, processes[-1], store, 0.3), folder / "killed")
    _compare(folder, verdict)
    return verdict


def write(stream: Stream, folder: Path, *, rows: int, rng: random.Random) -> None:
    """The files of a stream, disordered within a minute, with a broken line now and then."""
    for file in range(stream.files):
        at, arrivals = 0.0, []
        for number in range(rows):
            at += rng.expovariate(1 / 2)
            wait_s = rng.uniform(0, 2400) if rng.random() < stream.stragglers else rng.uniform(0, 20)
            ts = (START + timedelta(seconds=round(at, 3))).isoformat()
            event = {"id": f"{file}-{number}", "ts": ts, "text": f"text {rng.randrange(5000)}"}
            if stream.keys:
                event["host"] = f"h{rng.randrange(stream.keys)}"
            arrivals.append((at + wait_s, json.dumps(event) if rng.random() < 0.998 else "broken"))
        (folder / f"{file}.jsonl").write_text("".join(line + "\n" for _, line in sorted(arrivals)))


def environment(stream: Stream, folder: Path, out: Path) -> dict[str, str]:
    settings = {
        "SOURCE__URI": f"file:{folder}/*.jsonl",
        "SOURCE__ID_FIELD": "id",
        "SOURCE__BATCH_ROWS": str(ROWS_A_BATCH),
        "EMBED__KIND": "null",
        "EMBED__DIM": "16",
        "SCORE__KIND": "mean",
        "WINDOW__DELAY": "20s",
        **{f"WINDOW__{name}": value for name, value in stream.window.items()},
        "SINK__SCORES": f"file:{out}/scores.jsonl",
        "SINK__LATE": f"file:{out}/late.jsonl",
        "SINK__DEAD_LETTERS": f"file:{out}/dead.jsonl",
    }
    if stream.keys:
        settings["SOURCE__KEY_FIELD"] = "host"
    out.mkdir()
    return {"PACE": "0", "OUT": str(out), **{f"DRIFTLINE_{k}": v for k, v in settings.items()}}


#: A server that has imported everything forks the processes: a life starts in milliseconds, not seconds.
_SPAWN = multiprocessing.get_context("forkserver")


def _start(env: dict[str, str], processes: int, store: Path | None, interval_s: float) -> list[BaseProcess]:
    _SPAWN.set_forkserver_preload(["tests.support.paced", "dataflow.source.files", "dataflow.sink.files"])
    addresses = list(_addresses(processes))
    for stale in Path(env["OUT"]).glob("*.alive"):
        stale.unlink()
    cluster: list[BaseProcess] = [
        _SPAWN.Process(target=_work, args=(env, number, addresses, store, interval_s), daemon=True)
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


def _live(cluster: list[BaseProcess], out: Path, rng: random.Random) -> None:
    """Let a cluster live for a moment: mostly some batches long, sometimes not even till it runs."""
    if rng.random() < 0.1:
        time.sleep(rng.uniform(0, 0.3))
        return
    hung = time.monotonic() + HUNG_S
    while len(list(out.glob("*.alive"))) < len(cluster) and not _over(cluster) and time.monotonic() < hung:
        time.sleep(0.01)
    wait([process.sentinel for process in cluster], rng.expovariate(1 / 0.5))


def _over(cluster: list[BaseProcess]) -> bool:
    return all(process.exitcode == 0 for process in cluster)


def _finishes(cluster: list[BaseProcess], out: Path) -> bool:
    """Whether all processes read their stream to its end, and well, however long that takes."""
    written = -1
    while (now := sum(path.stat().st_size for path in out.glob("*.jsonl"))) > written:
        written = now
        _join(cluster, HUNG_S)
    return _ends(cluster, 0.0)


def _join(cluster: list[BaseProcess], within_s: float) -> None:
    limit = time.monotonic() + within_s
    for process in cluster:
        process.join(max(0.0, limit - time.monotonic()))


def _ends(cluster: list[BaseProcess], within_s: float, *, killed: bool = False) -> bool:
    """Whether all processes end, and well (``killed``: in whatever way)."""
    _join(cluster, within_s)
    hung = [process for process in cluster if process.is_alive()]
    for process in hung:
        process.kill()
        process.join()
    return not hung and (killed or _over(cluster))


def _compare(folder: Path, verdict: Verdict) -> None:
    for output, identity in OUTPUTS.items():
        calm, killed = (_rows(folder / run / f"{output}.jsonl", identity) for run in ("calm", "killed"))
        verdict.rows += len(calm)
        verdict.missing += len(calm.keys() - killed.keys())
        verdict.extra += len(killed.keys() - calm.keys())
        verdict.twice += sum(sum(rows.values()) - 1 for rows in killed.values())
        verdict.different += sum(calm[row] != killed[row] for row in calm.keys() & killed.keys())


def _rows(path: Path, identity: tuple[str, ...]) -> dict[tuple[object, ...], Counter[bytes]]:
    """Identity -> the rows that have it, as they were written."""
    found: dict[tuple[object, ...], Counter[bytes]] = {}
    for line in path.read_bytes().splitlines():
        row = json.loads(line)
        found.setdefault(tuple(row[name] for name in identity), Counter())[line] += 1
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=30, help="in all, over the streams (default: 30)")
    parser.add_argument(
        "--processes", type=int, nargs="+", default=[1], help="a life has one of these numbers (default: 1)"
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="no kills after this long")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    begin = time.monotonic()
    verdicts: list[Verdict] = []
    for number, stream in enumerate(STREAMS, 1):
        left = options.kills - sum(v.kills for v in verdicts)
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            verdict = chaos(
                stream,
                Path(folder),
                kills=-(-left // (len(STREAMS) - number + 1)),
                processes=options.processes,
                rng=rng,
                deadline=begin + options.minutes * 60 * number / len(STREAMS),
            )
        print(verdict, flush=True)
        verdicts.append(verdict)
    good = all(v.good for v in verdicts)
    kills, rows = sum(v.kills for v in verdicts), sum(v.rows for v in verdicts)
    print(
        f"{'SAME' if good else 'DIFFERENT'}: {kills} kills of {' or '.join(map(str, options.processes))} "
        f"process(es), {rows} rows compared, in {time.monotonic() - begin:.0f} s"
    )
    return not good


if __name__ == "__main__":
    sys.exit(main())
