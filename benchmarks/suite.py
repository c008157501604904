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
    Benchmark("engines", "benchmarks.peers.engines"),
    Benchmark("engines-full", "benchmarks.peers.engines", ("--full", "--rounds", "3"), slow=True),
    Benchmark("engine-behaviour", "benchmarks.peers.engine_behaviour", slow=True),
)
