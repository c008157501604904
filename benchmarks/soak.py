"""Does memory grow over time?

``python -m benchmarks.soak flow --minutes 30`` runs the whole dataflow at full speed: the source always has
more records, and a model of ``--texts-per-second`` answers (0: one that costs nothing). It samples the
resident memory, the size of the recovery store, and the most rows that were read and not embedded. It
prints the start, the end and the slope of each, and writes all samples as JSON.

``python -m benchmarks.soak model --minutes 30`` sends texts of mixed lengths, 256 at a time, through a Triton
server of its own. It prints the memory that the client and the server share with no other process: after the
warm-up, the memory should not grow.
"""

import argparse
import json
import os
import random
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

from benchmarks.kit.candidates import OUT, exported, served
from benchmarks.kit.corpus import short_texts
from benchmarks.kit.endless import EndlessSource, PacedModel
from benchmarks.kit.figures import middle, report
from benchmarks.kit.growth import Sampler, folder_bytes, resident_bytes
from benchmarks.kit.measure import table
from benchmarks.kit.memory import CountingSink
from benchmarks.kit.processes import anonymous_bytes
from dataflow import settings
from dataflow.embed.cache import CachedEmbedder
from dataflow.embed.repository import Layout
from dataflow.embed.triton.connect import connect
from dataflow.flow import build
from export.convert import weights

REPORTS = 12
TEXTS_PER_CALL = 256
#: Of event time: 12,000 events are in a window of ten minutes.
EVENTS_PER_SECOND = 20.0
SNAPSHOT = timedelta(seconds=10)
DIM = 384
_MB = 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_subparsers(dest="what", required=True)
    flow, model = what.add_parser("flow"), what.add_parser("model")
    for each in (flow, model):
        each.add_argument("--minutes", type=float, default=30.0, help="default: %(default)s")
    flow.add_argument("--texts-per-second", type=float, default=0.0, help="default: no limit")
    flow.add_argument("--warm-up", type=float, default=5.0, help="minutes that do not count (default: 5)")
    flow.add_argument("--every", type=float, default=5.0, help="seconds between two samples (default: 5)")
    flow.add_argument("--json", type=Path, default=OUT / "soak.json", help="default: %(default)s")
    model.add_argument("--model", default="all-MiniLM-L6-v2", choices=weights.KNOWN)
    arguments = parser.parse_args()
    if arguments.what == "model":
        soak_model(exported(arguments.model, "fp32"), arguments.minutes * 60)
        return
    soak_flow(
        arguments.minutes * 60,
        warm_up_s=arguments.warm_up * 60,
        every_s=arguments.every,
        texts_per_second=arguments.texts_per_second,
        target=arguments.json,
    )


def soak_flow(
    seconds: float, *, warm_up_s: float, every_s: float, texts_per_second: float, target: Path
) -> None:
    """Prints the trends, and writes them and all samples to ``target``."""
    model = PacedModel(DIM, texts_per_second)
    source = EndlessSource(seconds, EVENTS_PER_SECOND, lambda: model.rows)
    scored = CountingSink(lambda item: len(item[1]))
    every = settings.Settings(
        source=settings.Source(key_field="service"), sink=settings.Sink(scores=("stdout:",), late=())
    )
    # The cache is a wrapper here, as it is around Triton: it fills during the warm-up.
    embedder = CachedEmbedder(model, every.embed.cache_rows)
    flow = build(every, source=source, embedder=embedder, sink=lambda stream, uri: scored)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        store = Path(folder)
        init_db_dir(store, 1)
        measures = {
            "resident memory, MB": lambda: resident_bytes() / _MB,
            "recovery store, MB": lambda: folder_bytes(store) / _MB,
            "most rows in flight": lambda: source.most_in_flight,
        }
        with Sampler(measures, every_s) as sampler:
            recovery = RecoveryConfig(str(store), timedelta(0))
            run_main(flow, epoch_interval=SNAPSHOT, recovery_config=recovery)
    trends = sampler.trends(warm_up_s)
    heads = ("", "start", "end", "slope an hour", "largest")
    title = f"{seconds / 60:g} min, of which {warm_up_s / 60:g} do not count; {source.rows:,} rows read, "
    title += f"{scored.rows:,} rows written, {source.rows / seconds:,.0f} events/s"
    table(title, heads, [[name, *(f"{v:,.1f}" for v in of)] for name, of in trends.items()])
    report([middle(f"growth in an hour, {name}", [of.per_hour]) for name, of in trends.items()])
    target.parent.mkdir(parents=True, exist_ok=True)
    found = {"seconds": sampler.seconds, "values": sampler.values, "rows": source.rows}
    target.write_text(json.dumps(found | {"trends": {name: of._asdict() for name, of in trends.items()}}))


def soak_model(layout: Layout, seconds: float) -> None:
    """Prints a row at the start and ``REPORTS`` more rows, evenly over ``seconds``."""
    draw, texts = random.Random(2), short_texts(2000)
    with served(layout) as server:
        embedder = connect(settings.Embed(url=server.url, repository=layout.root))
        table("Memory, mixed lengths", ("minutes", "texts", "client MB", "server MB"), [])
        begun, done, due = time.monotonic(), 0, 0.0
        while due <= seconds:
            if (now := time.monotonic() - begun) >= due:
                client, triton = (anonymous_bytes(pid) / 2**20 for pid in (os.getpid(), server.pid or 0))
                print(f"| {now / 60:.1f} | {done} | {client:.0f} | {triton:.0f} |", flush=True)
                due += seconds / REPORTS
            batch = [
                " ".join(draw.sample(texts, min(int(draw.paretovariate(1)), 20)))
                for _ in range(TEXTS_PER_CALL)
            ]
            done += len(embedder.embed(batch).vectors)
        embedder.close()


if __name__ == "__main__":
    main()
