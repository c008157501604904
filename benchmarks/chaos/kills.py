"""``python -m benchmarks.chaos kills --kills 200 --processes 1 2 3``: does ``kill -9`` change a row?

Several streams (sliding windows with revisions and late events, sessions, one key over all partitions, many
keys with few events, one watermark for all keys or one for each) run once undisturbed, and once killed and
resumed again and again. Every row of every output must be the same, and must be there once.

The seed decides when a kill comes, the snapshot interval, the number of processes of each start, and who is
killed: all processes of a cluster, or one of them. When one process dies, the others end, except that bytewax
waits for ever for a process that died while the cluster started. Such a cluster counts as stuck, and is ended
as a liveness probe would end it.

The exit code is 1 if a row differs, or if a cluster that was not killed does not end.
"""

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from bytewax.recovery import init_db_dir

from benchmarks.kit.clusters import ends, finished, reads_to_the_end, run_for_a_moment, start
from benchmarks.kit.figures import middle, report

HELP = "does kill -9 change a row of a flow from files to files?"
ROWS_A_BATCH, PACE_S = 30, 0.05
RECOVERY_PARTITIONS = 4
#: More rows of a file than a cluster reads between two kills at this pace.
ROWS_A_KILL = 600
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
#: Each output, and the columns that identify a row.
OUTPUTS = {
    "scores": ("key", "window_start", "revision", "id"),
    "late": ("key", "id"),
    "dead": ("partition", "offset"),
}
#: How long the others may take to end when one process has been killed.
STUCK_S = 20.0
INTERVALS_S = (0.0, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class Stream:
    """Each file has events of all ``keys`` (0: the default key). ``stragglers`` is the share of late events.
    ``reference``: as ``score.reference``.

    A stream with stragglers has one file: the order in which files are read decides which windows late events
    miss.
    """

    name: str
    files: int
    keys: int
    stragglers: float
    window: dict[str, str]
    reference: bool = False


def _window(kind: str, **settings: str) -> dict[str, str]:
    return {"KIND": kind, **settings}


_SLIDING = _window("sliding", LENGTH="30m", SLIDE="5m", ALLOWED_LATENESS="10m")
_SESSION = _window("session", GAP="12s", ALLOWED_LATENESS="1m")
_PLAIN = _window("sliding", LENGTH="10m", SLIDE="3m")
#: Each key has a watermark of its own.
_BY_KEY = {"WATERMARK": "key"}

STREAMS = (
    Stream("sliding", 1, 6, 0.02, _SLIDING),
    Stream("sliding, a watermark for each key", 1, 6, 0.02, _SLIDING | _BY_KEY),
    Stream("session", 1, 6, 0.02, _SESSION),
    Stream("session, a watermark for each key", 1, 6, 0.02, _SESSION | _BY_KEY),
    Stream("one key", 3, 0, 0.0, _PLAIN),
    Stream("360 keys", 3, 360, 0.0, _SLIDING),
    Stream("360 keys, a watermark for each", 3, 360, 0.0, _SLIDING | _BY_KEY),
    Stream("2,000 keys", 3, 2000, 0.0, _PLAIN),
)


@dataclass
class Result:
    """The result of one stream. ``starts`` counts the last start, too."""

    stream: str
    kills: int = 0
    starts: int = 0
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
) -> Result:
    """Run one stream undisturbed, and with ``kills`` kills, or fewer when ``deadline`` (monotonic) passes."""
    write(stream, folder, rows=kills * ROWS_A_KILL, rng=rng)
    result = Result(stream.name)
    calm, killed = (environment(stream, folder, folder / name) for name in ("calm", "killed"))
    if not reads_to_the_end(start(calm, 1, None, 0.0), folder / "calm"):
        raise RuntimeError(f"the undisturbed run of {stream.name!r} failed; see {folder}/calm")
    store = folder / "recovery"
    store.mkdir()
    init_db_dir(store, RECOVERY_PARTITIONS)
    over = False
    while not over and result.kills < kills and time.monotonic() < deadline:
        slow = killed | {"PACE": str(PACE_S)}
        cluster = start(slow, rng.choice(processes), store, rng.choice(INTERVALS_S))
        result.starts += 1
        run_for_a_moment(cluster, folder / "killed", rng)
        over = finished(cluster)
        victims = cluster if rng.random() < 0.5 else [rng.choice(cluster)]
        for process in () if over else victims:
            process.kill()
        if over:
            continue
        result.kills += 1
        result.stuck += not ends(cluster, STUCK_S)
    if not over:
        result.starts += 1
        result.hung += not reads_to_the_end(start(killed, processes[-1], store, 0.3), folder / "killed")
    _compare(folder, result)
    return result


def write(stream: Stream, folder: Path, *, rows: int, rng: random.Random) -> None:
    """Write the files of a stream: disordered within a minute, and some lines are broken."""
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
        "SCORE__REFERENCE": str(stream.reference),
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


def _compare(folder: Path, result: Result) -> None:
    for output, identity in OUTPUTS.items():
        calm, killed = (_rows(folder / run / f"{output}.jsonl", identity) for run in ("calm", "killed"))
        result.rows += len(calm)
        result.missing += len(calm.keys() - killed.keys())
        result.extra += len(killed.keys() - calm.keys())
        result.twice += sum(sum(rows.values()) - 1 for rows in killed.values())
        result.different += sum(calm[row] != killed[row] for row in calm.keys() & killed.keys())


def _rows(path: Path, identity: tuple[str, ...]) -> dict[tuple[object, ...], Counter[str]]:
    """Identity -> the rows with this identity, as JSON."""
    found: dict[tuple[object, ...], Counter[str]] = {}
    for line in path.read_bytes().splitlines():
        row = json.loads(line)
        row.pop("envelope", None)  # it says when the record was read, which differs from run to run
        found.setdefault(tuple(row[name] for name in identity), Counter())[json.dumps(row)] += 1
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=30, help="the sum over all streams (default: 30)")
    parser.add_argument(
        "--processes",
        type=int,
        nargs="+",
        default=[1],
        help="of each start, one of these (default: 1)",
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="no kills after this long")
    parser.add_argument("--reference", action="store_true", help="compare events with a reference, too")
    parser.add_argument("--seed", type=int, default=1)


def main(options: argparse.Namespace) -> int:
    rng = random.Random(options.seed)
    begin = time.monotonic()
    results: list[Result] = []
    for number, stream in enumerate(STREAMS, 1):
        left = options.kills - sum(v.kills for v in results)
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            result = chaos(
                replace(stream, reference=options.reference),
                Path(folder),
                kills=-(-left // (len(STREAMS) - number + 1)),
                processes=options.processes,
                rng=rng,
                deadline=begin + options.minutes * 60 * number / len(STREAMS),
            )
        print(result, flush=True)
        results.append(result)
    good = all(v.good for v in results)
    wrong = sum(v.missing + v.extra + v.twice + v.different for v in results)
    kills, rows = sum(v.kills for v in results), sum(v.rows for v in results)
    print(
        f"{'SAME' if good else 'DIFFERENT'}: {kills} kills of {' or '.join(map(str, options.processes))} "
        f"process(es), {rows} rows compared, in {time.monotonic() - begin:.0f} s"
    )
    name = f"rows that differ after {kills} kills of {' or '.join(map(str, options.processes))} process(es)"
    report([middle(name, [wrong], goal=0, at_most=True)])
    return not good
