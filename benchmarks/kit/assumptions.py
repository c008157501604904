"""What :mod:`benchmarks.scale` assumes: each number with its unit and where it comes from.

A price that could not be verified says so. Figures that ``python -m benchmarks`` measured on this machine
take the place of defaults.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

_BENCHMARKS = "docs/explanation/benchmarks.md"
_CORE = "us of a core"
_GROWTH = "python -m benchmarks.growth, on a busy machine"
_STAGES, _PROCESSES = f"{_GROWTH}, part stages", f"{_GROWTH}, part processes"
_NOT_VERIFIED = "list price from memory, not verified; an assumption"


def _assumed(value: float, unit: str, source: str, figure: tuple[str, str] | None = None) -> Any:
    """``figure``: the benchmark and the figure of ``bench.json`` that replaces ``value``."""
    return field(default=value, metadata={"unit": unit, "source": source, "figure": figure})


@dataclass(frozen=True)
class Assumptions:
    """The stream, the costs of an event, and what a cloud gives for its price."""

    rate: float = _assumed(1e6, "events/s", "the question")
    record_bytes: float = _assumed(250, "bytes", "a log line as JSON")
    text_bytes: float = _assumed(120, "bytes", "a text of 25 tokens")
    scored_bytes: float = _assumed(465, "bytes", "a row of sink.scores, python -m benchmarks.pipeline")
    distinct: float = _assumed(
        1.0, "share of texts", "those that are not in the cache; 0.08 of a masked BlueGene log"
    )
    overlap: float = _assumed(2, "windows", "length/slide of the article")
    window_s: float = _assumed(600, "s", "length of the article")
    delay_s: float = _assumed(300, "s", "window.delay")
    dim: float = _assumed(384, "numbers", "MiniLM")
    number_bytes: float = _assumed(4, "bytes", "embed.store=fp32; 2 with fp16")
    row_bytes: float = _assumed(
        128, "bytes", "a row in state beside its embedding, python -m benchmarks.state"
    )

    base_us: float = _assumed(
        12, _CORE, f"with the scorer mean: {_STAGES}", ("growth", "stages: mean, CPU an event")
    )
    kmeans_us: float = _assumed(17, _CORE, _STAGES, ("growth", "stages: k-means adds"))
    reference_us: float = _assumed(
        99, _CORE, f"with alerts: {_STAGES}", ("growth", "stages: reference and alerts add")
    )
    drift_us: float = _assumed(4, _CORE, _STAGES, ("growth", "stages: drift adds"))
    client_us: float = _assumed(10.5, _CORE, "the embed stage, gRPC: python -m benchmarks.transport")
    exchange_us: float = _assumed(
        4, _CORE, f"what a second process adds: {_PROCESSES}", ("growth", "processes: the second adds")
    )
    progress_us: float = _assumed(
        0.065, _CORE, f"one for a flow: {_PROCESSES}", ("growth", "processes: the step progress")
    )
    processes: float = _assumed(8, "processes", "of one flow, a core each")
    process_bytes: float = _assumed(
        620e6, "bytes", "resident, with references: python -m benchmarks.soak flow"
    )
    snapshot_share: float = _assumed(
        1.0, "share of rows", "those that a snapshot writes: python -m benchmarks.recovery"
    )

    tokens_us: float = _assumed(14.4, _CORE, "`sbert`, 25 tokens: python -m benchmarks.transport")
    server_us: float = _assumed(3.2, _CORE, "`tritonserver`: python -m benchmarks.transport")
    gpu_texts: float = _assumed(164_118, "texts/s of a GPU", f"H100, MiniLM, 25 tokens: {_BENCHMARKS}")
    gpu_encode_texts: float = _assumed(
        11_174, "texts/s of a GPU", f"H100, `encode`, 25 tokens: {_BENCHMARKS}"
    )
    cpu_texts: float = _assumed(
        501, "texts/s of a core", "Triton, bf16 with AMX: python -m benchmarks.inference"
    )

    spark_written: float = _assumed(55, "events/s of a core", "110 / 2: python -m benchmarks.peers.spark")
    spark_tuned: float = _assumed(100, "events/s of a core", "199 / 2: python -m benchmarks.peers.spark")
    same_fp32: float = _assumed(
        178, "events/s of a core", "Driftline, 355 / 2: python -m benchmarks.peers.spark"
    )

    fill: float = _assumed(
        0.6, "share of a pod", "how far a pod is used: room for a restart, for peaks, for uneven keys"
    )
    flow_dollars: float = _assumed(0.5292, "$/h", f"AWS r7i.2xlarge, us-east-1: {_NOT_VERIFIED}")
    flow_cores: float = _assumed(8, "cores", "r7i.2xlarge")
    flow_memory: float = _assumed(64 * 2**30, "bytes", "r7i.2xlarge")
    flow_network: float = _assumed(
        390e6, "bytes/s", "r7i.2xlarge and c7i.2xlarge, 3.1 Gbit/s for long: from memory"
    )
    flow_disk: float = _assumed(125e6, "bytes/s", "a gp3 volume without more throughput: from memory")
    cpu_dollars: float = _assumed(0.357, "$/h", f"AWS c7i.2xlarge, 8 cores, us-east-1: {_NOT_VERIFIED}")
    cpu_cores: float = _assumed(8, "cores", "c7i.2xlarge")
    gpu_dollars: float = _assumed(
        7.912,
        "$/h",
        "an eighth of AWS p5en.48xlarge (8 H200), us-east-1, $63.296: dstackai/dstack pull request 4110, "
        "2026-08-06; an H200 computes like an H100",
    )
    gpu_cores: float = _assumed(24, "cores", "an eighth of p5en.48xlarge")

    gpu_network: float = _assumed(50e9, "bytes/s", "an eighth of 3,200 Gbit/s of p5en.48xlarge: from memory")

    @property
    def held_s(self) -> float:
        """How long a row stays in memory: until the last of its windows has ended, on average."""
        return self.window_s - self.window_s / self.overlap / 2 + self.delay_s

    @property
    def embedding_bytes(self) -> float:
        """Bytes of an embedding."""
        return self.dim * self.number_bytes

    @property
    def whole_row_bytes(self) -> float:
        """Bytes of a row with its embedding."""
        return self.row_bytes + self.embedding_bytes


#: The most that a share may be.
SHARES = frozenset(("distinct", "snapshot_share", "fill"))


class Documented(NamedTuple):
    """An assumption as a row of a table."""

    name: str
    value: float
    unit: str
    source: str


def documented(assumptions: Assumptions) -> list[Documented]:
    """Each assumption with its unit and its source."""
    return [
        Documented(each.name, getattr(assumptions, each.name), each.metadata["unit"], each.metadata["source"])
        for each in fields(Assumptions)
    ]


def measured(file: Path) -> dict[str, float]:
    """The assumptions that ``bench.json`` has figures for; nothing without that file."""
    if not file.exists():
        return {}
    found = json.loads(file.read_text("utf-8"))
    values = {
        (benchmark["name"], figure["name"]): float(figure["value"])
        for benchmark in found["benchmarks"]
        for figure in benchmark["figures"]
    }
    wanted = {each.name: each.metadata["figure"] for each in fields(Assumptions)}
    return {name: max(values[figure], 0.0) for name, figure in wanted.items() if figure in values}


def changed(assumptions: Assumptions, values: Mapping[str, float]) -> Assumptions:
    """``assumptions`` with other ``values``.

    Raises ``ValueError`` for an unknown name, a negative value, or a share above 1.
    """
    names = {each.name for each in fields(Assumptions)}
    for name, value in values.items():
        if name not in names:
            raise ValueError(f"{name} is no assumption; they are {', '.join(sorted(names))}")
        if value < 0 or (name in SHARES and value > 1):
            raise ValueError(f"{name} is {value:g}, but must be from 0{' to 1' if name in SHARES else ' on'}")
    return replace(assumptions, **values)
