"""How the faults of a plan strike, and how they are healed."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.chaos import plan
from benchmarks.chaos.plan import Fault
from benchmarks.chaos.supervised import Supervised
from benchmarks.kit.disk import Disk
from benchmarks.kit.proxy import Mode, Proxy
from export.serve.sidecar import Sidecar
from tests.support.webhooks import HANGS, Post, Receiver, Reply

_SLOW_ANSWER_S = 0.5
_MODES: dict[str, Mode] = {plan.REFUSES: "refuses", plan.SILENT: "silent", plan.SLOW: "slow"}

Act = Callable[[], object]


def _nothing() -> None:
    """A kill heals by itself: the dataflow is started again."""


def _fails(_: Post) -> Reply:
    return Reply(500)


def _hangs(_: Post) -> Reply:
    return HANGS


def _is_slow(_: Post) -> Reply:
    time.sleep(_SLOW_ANSWER_S)
    return Reply()


def _takes(_: Post) -> Reply:
    return Reply()


@dataclass(frozen=True)
class World:
    """Everything that a fault may strike. ``triton``, ``proxy``: ``None`` where a route has none."""

    flow: Supervised
    receiver: Receiver
    sink_disk: Disk
    store_disk: Disk
    triton: Sidecar | None
    proxy: Proxy | None

    def strike(self, fault: Fault, meanwhile: Act) -> None:
        """Let ``fault`` strike, call ``meanwhile``, and heal the fault when its time is over."""
        begin, heal = self._acts(fault.kind)
        over = time.monotonic() + fault.seconds
        begin()
        try:
            meanwhile()
            if fault.with_kill:
                time.sleep(fault.seconds / 2)
                self.flow.kill()
            time.sleep(max(0.0, over - time.monotonic()))
        finally:
            heal()

    def _acts(self, kind: str) -> tuple[Act, Act]:
        receiver = self.receiver
        acts: dict[str, tuple[Act, Act]] = {
            plan.KILL_FLOW: (self.flow.kill, _nothing),
            plan.STOP_FLOW: (self.flow.terminate, _nothing),
            plan.SINK_FULL: (self.sink_disk.fill, self.sink_disk.free),
            plan.STORE_FULL: (self.store_disk.fill, self.store_disk.free),
            plan.RECEIVER_REFUSES: (receiver.stop, receiver.start),
            plan.RECEIVER_FAILS: (lambda: self._answer(_fails), lambda: self._answer(_takes)),
            plan.RECEIVER_HANGS: (lambda: self._answer(_hangs), lambda: self._answer(_takes)),
            plan.RECEIVER_SLOW: (lambda: self._answer(_is_slow), lambda: self._answer(_takes)),
        }
        if triton := self.triton:
            acts[plan.KILL_TRITON] = (triton.kill, triton.start)
        if proxy := self.proxy:
            for server in plan.BEHIND_A_PROXY.values():
                for what, mode in _MODES.items():
                    acts[f"{server} {what}"] = (_set(proxy, mode), _set(proxy, "passes"))
        return acts[kind]

    def _answer(self, how: Callable[[Post], Reply]) -> None:
        self.receiver.answer = how


def _set(proxy: Proxy, mode: Mode) -> Act:
    return lambda: proxy.set_mode(mode)
