"""Proves the delivery of one route: a run with faults against a run without."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from bytewax.recovery import init_db_dir

from benchmarks.chaos import stream
from benchmarks.chaos.faults import World
from benchmarks.chaos.plan import Fault, Route
from benchmarks.chaos.routes import GIVES_UP_S, Place, can_write, inherited, of_webhook, open_place
from benchmarks.chaos.supervised import Supervised
from benchmarks.chaos.tally import Accounts, Output, SinkTally, account, compare, counts
from benchmarks.kit.disk import disk
from export.serve.sidecar import Sidecar
from tests.support.webhooks import Receiver

_DISK_MEGABYTES = 96
_SETTINGS = {
    "SOURCE__ID_FIELD": "id",
    "SOURCE__KEY_FIELD": "service",
    "SOURCE__BATCH_ROWS": "16",
    "WINDOW__LENGTH": f"{stream.LENGTH_S}s",
    "WINDOW__SLIDE": f"{stream.SLIDE_S}s",
    "WINDOW__DELAY": f"{stream.DELAY_S}s",
    "WINDOW__MAX_JUMP": "0s",  # as the reference has it: each event moves the watermark at once
    "SCORE__REFERENCE_LEAST": "20",
    "SCORE__REFERENCE_ROWS": "200",
    "DRIFT__LEAST_ROWS": "10",
    "DRIFT__BLOCK_ROWS": "1",
    "ALERT__BUDGET": "400/d",
    "ALERT__HISTORY": "0s",
    "ALERT__LEAST_ANOMALY": "1",
    "WEBHOOK__RATE": "1000000",
    "WEBHOOK__TIMEOUT": "2s",
    "LOG__FORMAT": "json",
}


@dataclass
class Proof:
    """``exits``: how often the dataflow ended, by exit code and reason. ``warnings``: those of its log, by
    their event. ``sinks``: by the stream and the kind of the sink. ``wrong``: the ids of records with a
    wrong outcome. ``disk``: how a disk was full.
    """

    route: Route
    faults: Counter[str]
    records: int
    accounts: Accounts = field(default_factory=Accounts)
    wrong: list[str] = field(default_factory=list)
    sinks: dict[str, SinkTally] = field(default_factory=dict)
    exits: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    seconds: float = 0.0
    disk: str = ""

    @property
    def good(self) -> bool:
        """Whether all records are accounted for, and all sinks have what they promise. A sink without a row
        proves nothing.
        """
        return not self.accounts.wrong and all(sink.good and sink.rows for sink in self.sinks.values())

    def as_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "good": self.good,
            "accounts": counts(self.accounts),
            "sinks": {name: counts(sink) for name, sink in self.sinks.items()},
        }


def prove(
    route: Route,
    faults: Sequence[Fault],
    records: Sequence[stream.Record],
    *,
    folder: Path,
    triton: Sidecar | None,
    mount: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> Proof:
    """Send ``records`` through ``route`` while ``faults`` strike, and again without a fault.

    ``folder``: an empty folder. ``triton``: a running server; ``None``: the null embedder computes
    embeddings. ``mount``: see :func:`benchmarks.kit.disk.disk`. Raises ``HungError``.
    """
    begin = time.monotonic()
    proof = Proof(route, Counter(fault.kind for fault in faults), len(records))
    proof.faults["kill -9 of the dataflow during another fault"] = sum(fault.with_kill for fault in faults)
    with ExitStack() as stack:
        place = stack.enter_context(open_place(route, folder))
        receiver = stack.enter_context(Receiver())
        runs = {run: _Run(run, folder, stack, mount) for run in ("chaos", "calm")}
        chaos, calm = runs["chaos"], runs["calm"]
        proof.disk = chaos.sink_disk.how
        flow = chaos.flow(place, receiver, triton)
        world = World(flow, receiver, chaos.sink_disk, chaos.store_disk, triton, place.proxy)
        with flow:
            _feed(place, world, faults, records, say)
        flow.read_to_the_end(chaos.env(place, receiver, triton, end=True))
        proof.exits, proof.warnings, proof.starts = flow.exits, flow.warnings, flow.starts
        calm.flow(place, receiver, triton).read_to_the_end(calm.env(place, receiver, triton, end=True))
        _tally(
            proof,
            stream.expected(records),
            *[[*place.outputs(run, of.sink_disk.folder), of.posts(receiver)] for run, of in runs.items()],
        )
    proof.seconds = time.monotonic() - begin
    return proof


def _feed(
    place: Place,
    world: World,
    faults: Sequence[Fault],
    records: Sequence[stream.Record],
    say: Callable[[str], None],
) -> None:
    """Append the records in as many parts as there are faults: half before each fault, half meanwhile."""
    cuts = [len(records) * part // (2 * len(faults)) for part in range(2 * len(faults) + 1)]
    parts = [records[start:end] for start, end in pairwise(cuts)]
    for number, fault in enumerate(faults):
        say(f"{number + 1}. {fault}")
        before, meanwhile = parts[2 * number], parts[2 * number + 1]
        place.rotate(fault.rotation)
        place.append(before)
        if not can_write(place, fault.kind):
            place.append(meanwhile)
            meanwhile = ()
        if fault.working_s is not None:
            world.flow.wait_until_up()
            time.sleep(fault.working_s)
        world.strike(fault, lambda rows=meanwhile: place.append(rows) if rows else None)  # type: ignore[misc]
    world.flow.wait_until_up()


def _tally(proof: Proof, expected: stream.Expected, found: Sequence[Output], calm: Sequence[Output]) -> None:
    first = {output.stream: output.rows for output in reversed(found)}
    proof.accounts, proof.wrong = account(expected, first["scores"], first["late"], first["dead_letters"])
    for disturbed, undisturbed in zip(found, calm, strict=True):
        promise = "exactly once" if disturbed.once else "at least once"
        name = f"{disturbed.stream} ({disturbed.sink}, {promise})"
        proof.sinks[name] = compare(disturbed, undisturbed.rows)


class _Run:
    """The disks, the recovery store and the sinks of one run."""

    def __init__(self, name: str, folder: Path, stack: ExitStack, mount: bool) -> None:
        self._name, self._folder = name, folder / name
        disks = [self._folder / "sink", self._folder / "store"]
        for path in disks:
            path.mkdir(parents=True)
        self.sink_disk, self.store_disk = (
            stack.enter_context(disk(path, _DISK_MEGABYTES, mount=mount)) for path in disks
        )
        (self.store_disk.folder / "recovery").mkdir(mode=0o700)
        init_db_dir(self.store_disk.folder / "recovery", 2)

    def flow(self, place: Place, receiver: Receiver, triton: Sidecar | None) -> Supervised:
        def started(pid: int) -> None:
            self.sink_disk.admit(pid)
            self.store_disk.admit(pid)

        flags = ["-r", str(self.store_disk.folder / "recovery"), "-s", "1", "-b", "0"]
        return Supervised(
            self.env(place, receiver, triton, end=False), flags, self._folder / "flow.log", started
        )

    def env(self, place: Place, receiver: Receiver, triton: Sidecar | None, *, end: bool) -> dict[str, str]:
        settings = _SETTINGS | _embedder(triton) | place.settings(self._name, self.sink_disk.folder, end=end)
        settings["SINK__ALERTS"] += f" {receiver.uri}/{self._name}"
        settings["WEBHOOK__SPOOL"] = f"{self.sink_disk.folder}/spool"
        settings["WEBHOOK__DRAIN"] = "2m" if end else "1s"
        return inherited() | {f"DRIFTLINE_{name}": value for name, value in settings.items()}

    def posts(self, receiver: Receiver) -> Output:
        """What the receiver took from this run."""
        return of_webhook([post for post in receiver.taken if post.path.endswith(f"/{self._name}")])


def _embedder(triton: Sidecar | None) -> dict[str, str]:
    if triton is None:
        return {"EMBED__KIND": "null", "EMBED__DIM": "16"}
    return {
        "EMBED__URL": triton.url,
        "EMBED__REPOSITORY": str(triton.repository),
        "EMBED__MAX_OUTAGE": f"{GIVES_UP_S}s",
        "EMBED__STARTUP_TIMEOUT": "3s",
        # One text at a time: so each text is a batch of its own, and its embedding is the same to the bit in
        # any run. In larger batches, the last bits depend on the texts beside it.
        "EMBED__MAX_REQUEST_ROWS": "1",
        "EMBED__MAX_IN_FLIGHT": "1",
    }
