"""``python -m benchmarks.scale``: what would a million events a second need, and what would they cost?

A model on paper. It takes the costs that the benchmarks measured, and prices of a cloud, and says how many
pods of each kind a rate needs, what saturates first, what a million events cost beside Spark on the same
instances, and which assumption moves the answer most.

    --set NAME=VALUE ...   other values of assumptions; the names are in the first table
    --bench FILE           figures of ``python -m benchmarks`` that take the place of defaults
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from benchmarks.kit.assumptions import SHARES, Assumptions, changed, documented, measured
from benchmarks.kit.capacity import Plan, Pod, Stage, plan
from benchmarks.kit.figures import Figure, middle, number, report
from benchmarks.kit.machine import ROOT
from benchmarks.kit.measure import table
from benchmarks.kit.plots import short, tornado

BENCH, OUT = ROOT / "out" / "bench" / "bench.json", ROOT / "out" / "bench" / "plots"
#: Where the model runs.
Model = Literal["GPU", "CPU"]
FLOW, SERVER, FLOWS = "dataflow", "model server", "independent flows"
_US = 1e-6
_SHOWN = 12


def stages(given: Assumptions, model: Model) -> list[Stage]:
    """What an event takes of each stage."""
    new, away = given.distinct, 1 - 1 / given.processes if given.processes > 1 else 0.0
    both = new * (given.text_bytes + given.embedding_bytes)
    cores = {
        "read, decode, window, write": given.base_us,
        "k-means": given.kmeans_us,
        "reference and alerts": given.reference_us,
        "drift": given.drift_us,
        "client of the model": given.client_us * new,
        "rows between processes": given.exchange_us * away,
    }
    network = {
        "records": given.record_bytes,
        "texts and embeddings": both,
        "rows between processes": away * given.whole_row_bytes,
        "scored rows": given.overlap * given.scored_bytes,
    }
    found = [Stage(name, FLOW, "cores", us * _US) for name, us in cores.items()]
    found += [Stage(name, FLOW, "network", size) for name, size in network.items()]
    found += [
        Stage("rows of open windows", FLOW, "memory", given.whole_row_bytes * given.held_s),
        Stage("snapshots", FLOW, "disk", given.whole_row_bytes * given.snapshot_share),
        Stage("progress", FLOWS, "one core", given.progress_us * _US),
    ]
    found.append(Stage("texts and embeddings", SERVER, "network", both))
    if model == "CPU":  # that rate includes the tokenizer and the server
        return [*found, Stage("model", SERVER, "cores", new / given.cpu_texts)]
    return [
        *found,
        Stage("tokenizer", SERVER, "cores", new * given.tokens_us * _US),
        Stage("Triton", SERVER, "cores", new * given.server_us * _US),
        Stage("model", SERVER, "GPU", new / given.gpu_texts),
    ]


def pods(given: Assumptions, model: Model) -> list[Pod]:
    """What each kind of pod has. An independent flow is no pod of its own: it groups pods of the dataflow."""
    flow = {
        "cores": given.flow_cores,
        "network": given.flow_network,
        "memory": given.flow_memory - given.flow_cores * given.process_bytes,
        "disk": given.flow_disk,
    }
    server = (
        Pod(SERVER, given.gpu_dollars, {"cores": given.gpu_cores, "GPU": 1, "network": given.gpu_network})
        if model == "GPU"
        else Pod(SERVER, given.cpu_dollars, {"cores": given.cpu_cores, "network": given.flow_network})
    )
    return [Pod(FLOW, given.flow_dollars, flow), server, Pod(FLOWS, 0.0, {"one core": 1})]


def planned(given: Assumptions, model: Model) -> Plan:
    return plan(given.rate, stages(given, model), pods(given, model), given.fill)


def peers(given: Assumptions) -> dict[str, Plan]:
    """Spark and Driftline as in ``benchmarks.peers.spark`` (fp32 on CPUs, no reference, no cache), and GPUs
    that run ``encode`` and nothing else.
    """
    cpu = Pod(SERVER, given.cpu_dollars, {"cores": given.cpu_cores})
    found = {
        name: plan(given.rate, [Stage(name, SERVER, "cores", 1 / rate)], [cpu], given.fill)
        for name, rate in {
            "Spark as written": given.spark_written,
            "Spark tuned": given.spark_tuned,
            "Driftline": given.same_fp32,
        }.items()
    }
    gpu = Pod(SERVER, given.gpu_dollars, {"GPU": 1})
    encode = Stage("encode", SERVER, "GPU", 1 / given.gpu_encode_texts)
    return {**found, "`encode` on GPUs alone": plan(given.rate, [encode], [gpu], given.fill)}


class Moved(NamedTuple):
    """The dollars a million events with half of an assumption, and with twice as much."""

    label: str
    half: float
    twice: float


def sensitivity(given: Assumptions, model: Model) -> list[Moved]:
    """Each assumption changed alone; the one that moves the answer most comes first. A share is 1 at most."""
    found = []
    for each in documented(given):
        if each.name == "rate":
            continue
        most = 1.0 if each.name in SHARES else float("inf")
        half, twice = (
            planned(changed(given, {each.name: value}), model).dollars_a_million
            for value in (each.value / 2, min(each.value * 2, most))
        )
        found.append(Moved(f"{each.name} ({each.unit})", half, twice))
    return sorted(found, key=lambda moved: -abs(moved.twice - moved.half))


def show(given: Assumptions, model: Model) -> None:
    """Prints what each stage takes, and how many pods there are."""
    found = planned(given, model)
    rows = []
    for load in sorted(found.loads, key=lambda load: -load.used):
        for stage in sorted(load.stages, key=lambda stage: -stage.takes):
            share = f"{found.used(stage):.1%}"
            rows.append((stage.name, f"{stage.pod}, {stage.resource}", short(stage.takes), share))
        rows.append(
            ("**together**", f"{load.pod}, {load.resource}", f"{load.pods:.1f} pods", f"{load.used:.1%}")
        )
    heads = ("stage", "of", "takes for an event (s, or bytes)", "used of all pods")
    table(f"{short(given.rate)} events a second, the model on {model}s", heads, rows)
    first, least = found.bottleneck, found.pods[FLOWS]
    running = found.pods[FLOW] * given.flow_cores / given.processes
    print(
        f"\n{found.pods[FLOW]:,} x {FLOW}, {found.pods[SERVER]:,} x {SERVER}, {running:,.0f} flows of "
        f"{given.processes:.0f} processes (the step `progress` asks for {least:,} at least): "
        f"${found.dollars_an_hour:,.0f} an hour. First to saturate: {first.resource} of the {first.pod}, at "
        f"{short(found.saturates_at)} events/s; most of it is {first.biggest.name}."
    )


def costs(given: Assumptions) -> dict[str, Plan]:
    """The plans to compare, by name."""
    both: dict[str, Plan] = {
        f"Driftline, all stages, the model on {model}s": planned(given, model) for model in ("GPU", "CPU")
    }
    return {**both, **{f"{name}, as in the benchmark": of for name, of in peers(given).items()}}


def figures(compared: Mapping[str, Plan]) -> list[Figure]:
    return [middle(f"{name}: a million events", [of.dollars_a_million], "$") for name, of in compared.items()]


def compare_assumptions(given: Assumptions, out: Path) -> None:
    """Prints and draws which assumption moves the cost most."""
    moved = sensitivity(given, "GPU")[:_SHOWN]
    table(
        "Which assumption moves the cost most, the model on GPUs",
        ("assumption", "$ a million with half of it", "with twice as much"),
        [(each.label, f"{each.half:.4f}", f"{each.twice:.4f}") for each in moved],
    )
    middle_of = planned(given, "GPU").dollars_a_million
    title = f"A million events cost ${middle_of:.3f}, and this moves the cost most"
    label = "$ a million events, with half and with twice the assumption; the line: as assumed"
    tornado(out / "scale.png", title, label, middle_of, moved)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help="other assumptions"
    )
    parser.add_argument("--bench", type=Path, default=BENCH, help="default: out/bench/bench.json")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the picture; default: %(default)s")
    arguments = parser.parse_args()
    from_bench = measured(arguments.bench)
    try:
        asked = {name: float(value) for name, _, value in (each.partition("=") for each in arguments.set)}
        given = changed(Assumptions(), from_bench | asked)
    except ValueError as error:
        parser.error(str(error))
    given_by = dict.fromkeys(from_bench, arguments.bench.name) | dict.fromkeys(asked, "--set")
    heads = ("assumption", "value", "unit", "where it comes from")
    rows = [
        (each.name, number(each.value), each.unit, given_by.get(each.name, each.source))
        for each in documented(given)
    ]
    table("Assumptions", heads, rows)
    models: tuple[Model, Model] = ("GPU", "CPU")
    for model in models:
        show(given, model)
    compared = costs(given)
    table(
        "Cost of a million events",
        ("", "pods", "$ a million"),
        [
            (
                name,
                f"{sum(count for kind, count in of.pods.items() if kind != FLOWS):,}",
                f"{of.dollars_a_million:.4f}",
            )
            for name, of in compared.items()
        ],
    )
    compare_assumptions(given, arguments.out)
    report(figures(compared))


if __name__ == "__main__":
    main()
