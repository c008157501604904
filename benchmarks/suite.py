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
    Benchmark("article-delays", "benchmarks.peers.article", ("--parts", "delays"), slow=True),
    Benchmark("servers", "benchmarks.peers.servers", ("--texts", "320", "--rounds", "2", "--alone", "50")),
    Benchmark("servers-full", "benchmarks.peers.servers", slow=True),
    Benchmark("detectors", "benchmarks.peers.detectors", ("--seeds", "1", "--streams", "sms burst 13%")),
    Benchmark("detectors-full", "benchmarks.peers.detectors", slow=True),
)
