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
    Benchmark("demo", "benchmarks.demo"),
    Benchmark("inference", "benchmarks.inference", ("--texts", "512", "--rounds", "3")),
    Benchmark("tokens", "benchmarks.tokens", ("--runs", "5", "--texts", "4096")),
    Benchmark("windows", "benchmarks.windows", ("peer", "--events", "100000")),
    Benchmark("pipeline", "benchmarks.pipeline", ("--events", "100000")),
    Benchmark(
        "article", "benchmarks.peers.spark", ("--parts", "throughput", "--events", "6000", "--rounds", "2")
    ),
    Benchmark("masking", "benchmarks.masking"),
    Benchmark("article-delays", "benchmarks.peers.spark", ("--parts", "delays"), slow=True),
    Benchmark("inference-mpnet", "benchmarks.inference", ("--model", "all-mpnet-base-v2"), slow=True),
    Benchmark("inference-full", "benchmarks.inference", slow=True),
    Benchmark("tokens-full", "benchmarks.tokens", slow=True),
    Benchmark("windows-full", "benchmarks.windows", ("peer",), slow=True),
    Benchmark("pipeline-full", "benchmarks.pipeline", slow=True),
    Benchmark("article-full", "benchmarks.peers.spark", ("--parts", "throughput"), slow=True),
    Benchmark("transport", "benchmarks.transport", slow=True),
    Benchmark("half", "benchmarks.half", slow=True),
    Benchmark("windows-overlap-keys", "benchmarks.windows", ("overlap", "keys"), slow=True),
    Benchmark("pipeline-overlap", "benchmarks.pipeline", ("--overlap",), slow=True),
    Benchmark("pipeline-reference", "benchmarks.pipeline", ("--reference",), slow=True),
    Benchmark("recovery", "benchmarks.recovery", slow=True),
    Benchmark("state", "benchmarks.state", slow=True),
    Benchmark("tenants", "benchmarks.tenants", slow=True),
    Benchmark("step-change", "benchmarks.step_change", slow=True),
    Benchmark("page", "benchmarks.page", ("--browser",), slow=True),
    Benchmark("page-embeddings", "benchmarks.page", ("--browser", "--dim", "384"), slow=True),
    Benchmark("page-map", "benchmarks.page_map", slow=True),
    Benchmark("kills", "benchmarks.chaos", ("kills", "--kills", "100"), slow=True),
    Benchmark(
        "kills-of-three", "benchmarks.chaos", ("kills", "--kills", "100", "--processes", "3"), slow=True
    ),
    Benchmark("delivery", "benchmarks.chaos", ("delivery",), slow=True),
    Benchmark("soak", "benchmarks.soak", ("flow", "--minutes", "35"), slow=True),
    Benchmark("limits", "benchmarks.limits", ("--rounds", "2")),
    Benchmark("growth", "benchmarks.growth", ("--events", "20000", "--rounds", "3")),
    Benchmark("limits-full", "benchmarks.limits", ("--rounds", "5"), slow=True),
    Benchmark("growth-full", "benchmarks.growth", ("--full", "--rounds", "3"), slow=True),
    Benchmark("servers", "benchmarks.peers.servers", ("--texts", "320", "--rounds", "2", "--alone", "50")),
    Benchmark("servers-full", "benchmarks.peers.servers", slow=True),
    Benchmark("detectors", "benchmarks.peers.detectors", ("--seeds", "1", "--streams", "sms burst 13%")),
    Benchmark("detectors-full", "benchmarks.peers.detectors", slow=True),
    Benchmark(
        "detectors-trained",
        "benchmarks.peers.detectors",
        ("--slow", "--seeds", "1", "--streams", "sms burst 13%"),
        slow=True,
    ),
    Benchmark("engines", "benchmarks.peers.engines"),
    Benchmark("engines-full", "benchmarks.peers.engines", ("--full", "--rounds", "3"), slow=True),
    Benchmark("engine-behaviour", "benchmarks.peers.engines.behaviour", slow=True),
    Benchmark("scorers", "benchmarks.scorers", slow=True),
    Benchmark("clusters", "benchmarks.clusters", slow=True),
    Benchmark("quality", "benchmarks.quality", slow=True),
    Benchmark("alerts", "benchmarks.alerts", slow=True),
    Benchmark("marks", "benchmarks.marks", slow=True),
    Benchmark("early", "benchmarks.early", slow=True),
    Benchmark("drift", "benchmarks.drift", slow=True),
    Benchmark("drift-bursts", "benchmarks.drift_bursts", slow=True),
    Benchmark("drift-days", "benchmarks.drift_days", ("--seed", "12"), slow=True),
    Benchmark("backtest", "benchmarks.backtest", slow=True),
    Benchmark("scale", "benchmarks.scale"),
)
