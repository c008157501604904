"""How many pods a rate of events needs, from what each stage takes of them: a model without a clock.

A stage takes some of a resource of a pod for each event: seconds of a core, bytes of a network, bytes that
stay in memory for a while. The costs of stages that share a resource add up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True)
class Pod:
    """A kind of pod. ``price``: dollars an hour. ``has``: each resource, and how much of it a second gives;
    of memory, how many bytes there are.
    """

    name: str
    price: float
    has: dict[str, float]


@dataclass(frozen=True)
class Stage:
    """``takes``: how much of ``resource`` of a pod of the kind ``pod`` an event takes; of memory, bytes times
    the seconds that they stay.
    """

    name: str
    pod: str
    resource: str
    takes: float


@dataclass(frozen=True)
class Load:
    """The stages that share a resource of a kind of pod. ``pods``: how many pods they need, as a real number,
    if each pod may be used as far as the plan says. ``used``: the share of the resource of all planned pods.
    """

    pod: str
    resource: str
    stages: tuple[Stage, ...]
    pods: float
    used: float

    @property
    def biggest(self) -> Stage:
        """The stage that takes the most of the resource."""
        return max(self.stages, key=lambda stage: stage.takes)


@dataclass(frozen=True)
class Plan:
    """How many pods of each kind a rate needs, and how much of them is used."""

    rate: float
    pods: dict[str, int]
    loads: tuple[Load, ...]
    dollars_an_hour: float

    @property
    def bottleneck(self) -> Load:
        """What saturates first when the rate grows: the resource that is used most."""
        return max(self.loads, key=lambda load: load.used)

    @property
    def saturates_at(self) -> float:
        """Events a second at which the bottleneck is used in full."""
        return self.rate / self.bottleneck.used if self.bottleneck.used else float("inf")

    @property
    def dollars_a_million(self) -> float:
        """The price of a million events at this rate."""
        return self.dollars_an_hour / 3600 / self.rate * 1e6

    def used(self, stage: Stage) -> float:
        """The share that ``stage`` alone takes of its resource of all planned pods."""
        load = next(each for each in self.loads if stage in each.stages)
        total = sum(each.takes for each in load.stages)
        return load.used * stage.takes / total if total else 0.0


def plan(rate: float, stages: Sequence[Stage], pods: Sequence[Pod], fill: float) -> Plan:
    """The fewest pods of each kind that take ``rate`` events a second.

    No resource of a pod is used more than ``fill``, from 0 to 1.
    A kind that no stage takes anything of gets no pod.
    """
    kinds = {pod.name: pod for pod in pods}
    shared: dict[tuple[str, str], list[Stage]] = {}
    for stage in stages:
        shared.setdefault((stage.pod, stage.resource), []).append(stage)
    taken = {place: rate * sum(stage.takes for stage in some) for place, some in shared.items()}
    count = dict.fromkeys(kinds, 0)
    for (pod, resource), amount in taken.items():
        count[pod] = max(count[pod], ceil(amount / (kinds[pod].has[resource] * fill)))
    loads = tuple(
        Load(
            pod,
            resource,
            tuple(shared[pod, resource]),
            amount / (kinds[pod].has[resource] * fill),
            amount / (kinds[pod].has[resource] * count[pod]) if count[pod] else 0.0,
        )
        for (pod, resource), amount in taken.items()
    )
    dollars = sum(kinds[name].price * number for name, number in count.items())
    return Plan(rate, count, loads, dollars)
