"""Which faults strike, in which order and for how long: a pure function of the seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Route = Literal["kafka", "delta", "files"]
ROUTES: tuple[Route, ...] = ("kafka", "delta", "files")
Rotation = Literal["", "rename", "copy and truncate"]

KILL_FLOW, STOP_FLOW, KILL_TRITON = "kill -9 of the dataflow", "SIGTERM", "kill -9 of Triton"
SINK_FULL, STORE_FULL = "disk full at the sink", "disk full at the recovery store"
REFUSES, SILENT, SLOW = "refuses connections", "is silent", "is slow"
RECEIVER_REFUSES, RECEIVER_FAILS = "webhook receiver refuses connections", "webhook receiver answers 500"
RECEIVER_HANGS, RECEIVER_SLOW = "webhook receiver hangs", "webhook receiver is slow"

_EVERYWHERE = (
    KILL_FLOW,
    STOP_FLOW,
    SINK_FULL,
    STORE_FULL,
    RECEIVER_REFUSES,
    RECEIVER_FAILS,
    RECEIVER_HANGS,
    RECEIVER_SLOW,
)
#: What a route has behind a proxy.
BEHIND_A_PROXY: dict[Route, str] = {"kafka": "broker", "delta": "object store"}
#: How often a kind is drawn, relative to the others.
_WEIGHTS = {KILL_FLOW: 4, KILL_TRITON: 2}
_ROTATIONS: tuple[Rotation, ...] = ("", "", "rename", "copy and truncate")
#: The dataflow gives up an outage sooner than the longest fault ends: see ``routes.GIVES_UP_S``.
SHORT_S, LONG_S = (0.5, 3.0), (6.0, 9.0)


@dataclass(frozen=True)
class Fault:
    """``seconds``: how long it lasts, 0 for a kill. ``with_kill``: the dataflow is killed meanwhile, too.
    ``working_s``: how long the dataflow works before; ``None``: the fault strikes while the dataflow starts.
    ``rotation``: how the growing file is rotated before.
    """

    kind: str
    seconds: float
    with_kill: bool
    working_s: float | None
    rotation: Rotation = ""

    def __str__(self) -> str:
        when = "while it starts" if self.working_s is None else f"after {self.working_s:.2f} s of work"
        parts = [f"{self.kind}, {when}", f"for {self.seconds:.1f} s" if self.seconds else ""]
        parts += ["and kill -9 of the dataflow" if self.with_kill else ""]
        parts += [f"(log rotated before: {self.rotation})" if self.rotation else ""]
        return ", ".join(filter(None, parts))


def kinds_of(route: Route, *, triton: bool) -> tuple[str, ...]:
    """The faults that a route may meet. ``triton``: a real Triton computes the embeddings."""
    server = BEHIND_A_PROXY.get(route)
    proxied = [f"{server} {what}" for what in (REFUSES, SILENT, SLOW)] if server else []
    return (*_EVERYWHERE, *([KILL_TRITON] if triton else []), *proxied)


def plan(
    seed: int, route: Route, count: int, kinds: Sequence[str], *, long_faults: bool = True
) -> tuple[Fault, ...]:
    """``count`` faults of ``kinds``: first each kind once, in any order, then by weight.

    ``long_faults``: a third of the faults last longer than the dataflow waits.
    """
    draw = random.Random(f"{seed} {route}")
    order = draw.sample(list(kinds), len(kinds))
    weights = [_WEIGHTS.get(kind, 1) for kind in kinds]
    order += draw.choices(list(kinds), weights, k=max(0, count - len(kinds)))
    faults = []
    for kind in order[:count]:
        at_once = kind in (KILL_FLOW, STOP_FLOW)
        long = long_faults and draw.random() < 1 / 3
        seconds = 0.0 if at_once else round(draw.uniform(*(LONG_S if long else SHORT_S)), 1)
        working_s = None if draw.random() < 0.15 else round(draw.uniform(0, 1.5), 2)
        rotation = draw.choice(_ROTATIONS)
        with_kill = not at_once and draw.random() < 0.25
        faults.append(Fault(kind, seconds, with_kill, working_s, rotation if route == "files" else ""))
    return tuple(faults)
