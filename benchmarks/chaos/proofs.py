"""``python -m benchmarks.chaos delivery --seed 7 --faults 30``: is every record delivered, whatever fails?

Each route (Kafka to Kafka, Delta to Delta, a growing file to Parquet, and alerts to a webhook) runs with a
real Triton while faults strike it, one after the other. Then the same input runs through the same route
without a fault. Each record must be scored in all its windows, be late, or be a dead letter, as a reference
without state says. Delta tables and files must hold each row once. Topics and the webhook receiver must have
each row at least once, with equal copies. All rows, with their scores, must equal those of the calm run.

The seed decides the input, which faults strike, in which order, for how long, and after how much work. The
dataflow is started again whenever it ends, as Kubernetes does. The exit code is 1 if a record or a row is
wrong.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.chaos import stream
from benchmarks.chaos.delivery import Proof, prove
from benchmarks.chaos.plan import ROUTES, kinds_of, plan
from benchmarks.chaos.tally import counts
from benchmarks.kit.candidates import CACHE, OUT, ROOT
from benchmarks.kit.figures import middle, report
from benchmarks.kit.measure import table
from export.convert import weights
from export.convert.build import build
from export.serve import tritonserver
from export.serve.sidecar import Sidecar

HELP = "is every record delivered, whatever fails?"
_MODEL = "all-MiniLM-L6-v2"
_TITLES = {"kafka": "Kafka -> Kafka", "delta": "Delta -> Delta", "files": "growing file -> Parquet"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seed", type=int, default=7, help="default: %(default)s")
    parser.add_argument("--faults", type=int, default=30, help="of each route (default: %(default)s)")
    parser.add_argument("--records", type=int, default=6000, help="of each route (default: %(default)s)")
    parser.add_argument("--route", nargs="+", choices=ROUTES, default=ROUTES, help="default: all")
    parser.add_argument("--null", action="store_true", help="without Triton: the null embedder")
    parser.add_argument("--no-mount", action="store_true", help="limit files; mount no small disks")
    parser.add_argument("--plan", action="store_true", help="print the faults and do nothing")
    parser.add_argument("--json", type=Path, default=OUT / "delivery.json", help="default: %(default)s")


def main(options: argparse.Namespace) -> int:
    print(f"seed {options.seed}", flush=True)
    proofs: list[Proof] = []
    with _triton(wanted=not (options.null or options.plan)) as triton:
        for route in options.route:
            faults = plan(options.seed, route, options.faults, kinds_of(route, triton=not options.null))
            print(f"\n{_TITLES[route]}, {options.records} records\n", flush=True)
            if options.plan:
                print("\n".join(f"{number}. {fault}" for number, fault in enumerate(faults, 1)))
                continue
            with tempfile.TemporaryDirectory(prefix="delivery-") as folder:
                proof = prove(
                    route,
                    faults,
                    stream.records(options.seed, options.records),
                    folder=Path(folder),
                    triton=triton,
                    mount=not options.no_mount,
                    say=lambda line: print(line, flush=True),
                )
            proofs.append(proof)
            _print(proof)
    if proofs:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        found = {"seed": options.seed, "proofs": [proof.as_json() for proof in proofs]}
        options.json.write_text(json.dumps(found, indent=1))
        _summarise(proofs, options.seed)
    return not all(proof.good for proof in proofs)


@contextmanager
def _triton(wanted: bool) -> Iterator[Sidecar | None]:
    if not wanted:
        yield None
        return
    repository = ROOT / "model_repo"
    build(weights.named(_MODEL), repository, cache=CACHE, force=False, log=print)
    with Sidecar(repository, venv=ROOT / tritonserver.VENV, log=OUT / "triton.log") as server:
        yield server


def _print(proof: Proof) -> None:
    table(f"Faults; a full disk is {proof.disk}", ("fault", "times"), sorted(proof.faults.items()))
    ends = f"How the dataflow ended, in {proof.starts} starts; code -9 is `kill -9`, -15 is SIGTERM"
    table(ends, ("end", "times"), sorted(proof.exits.items()))
    table("Warnings of the dataflow", ("event of the log", "times"), sorted(proof.warnings.items()))
    heads = tuple(counts(proof.accounts))
    table(f"What became of {proof.records} records", heads, [tuple(counts(proof.accounts).values())])
    rows = [(name, *counts(sink).values()) for name, sink in proof.sinks.items()]
    table("Rows against the calm run", ("sink", *counts(next(iter(proof.sinks.values())))), rows)
    if proof.wrong:
        print(f"\nwrong: {' '.join(proof.wrong[:20])}")
    print(f"\n{'GOOD' if proof.good else 'BAD'} in {proof.seconds:.0f} s", flush=True)


def _summarise(proofs: list[Proof], seed: int) -> None:
    rows, figures = [], []
    for proof in proofs:
        sinks = proof.sinks.values()
        wrong = sum(sink.missing + sink.extra + sink.twice + sink.different for sink in sinks)
        wrong += proof.accounts.wrong
        faults = sum(proof.faults.values())
        name = f"{_TITLES[proof.route]}: records lost, twice or different after {faults} faults"
        figures.append(middle(name, [wrong], goal=0, at_most=True))
        rows.append(
            (
                _TITLES[proof.route],
                faults,
                proof.starts,
                proof.records,
                f"{proof.accounts.scored} / {proof.accounts.late} / {proof.accounts.dead}",
                sum(sink.rows for sink in sinks),
                sum(sink.repeated for sink in sinks),
                wrong,
            )
        )
    heads = ("route", "faults", "starts", "records", "scored / late / dead", "rows", "copies", "wrong")
    good = "GOOD" if all(proof.good for proof in proofs) else "BAD"
    table(f"{good}, seed {seed}; copies: of rows, where they are allowed", heads, rows)
    report(figures)
