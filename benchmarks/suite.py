"""The benchmarks that ``python -m benchmarks`` runs, in their order."""

import shlex
from dataclasses import dataclass


@dataclass(frozen=True)
class Benchmark:
    """``slow``: it takes long, and runs with ``--full`` only."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    slow: bool = False

    @property
    def command(self) -> str:
        """What a reader types to run it alone."""
        return shlex.join(("python", "-m", self.module, *self.arguments))


SUITE = (
    Benchmark("inference", "benchmarks.inference"),
    Benchmark("article", "benchmarks.peers.article", ("--parts", "throughput", "--rounds", "2")),
    Benchmark("limits", "benchmarks.limits", ("--rounds", "2")),
    Benchmark("growth", "benchmarks.growth", ("--events", "20000")),
    Benchmark("scale", "benchmarks.scale"),
    Benchmark("limits-full", "benchmarks.limits", ("--rounds", "5"), slow=True),
    Benchmark(
        "growth-full", "benchmarks.growth", ("--full", "--rounds", "3", "--events", "100000"), slow=True
    ),
)
