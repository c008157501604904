"""The command line of references: saves them, and shows what they hold."""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataflow.clock import utc_now
from dataflow.embed import open_embedder
from dataflow.errors import DriftlineError, OutageError, SettingsError, SourceError
from dataflow.reference.pinned import choose, embed_texts
from dataflow.reference.shelves import read_store
from dataflow.reference.summary import summary
from dataflow.reference.texts import read
from dataflow.settings import load, load_log
from dataflow.telemetry import logs


def main(words: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0: done; with one line on stderr 1 for a model server that does not answer, 2 for a mistake of the user.
    """
    arguments = _parser().parse_args(words)
    logs.start(load_log())
    try:
        arguments.run(arguments)
    except DriftlineError as error:
        print(logs.visible(f"driftline: {error}"), file=sys.stderr)
        return 1 if isinstance(error, OutageError) else 2
    return 0


def _export(arguments: argparse.Namespace) -> None:
    rows = read_store(arguments.store, load().source.mask)
    if arguments.key is not None:
        rows = rows.filter(pc.equal(rows.column("key"), arguments.key))
        if not len(rows):
            raise SettingsError(
                f"--key {arguments.key}: the store has no events of this key; `show --store` lists its keys"
            )
    _save(rows, arguments.out)


def _import(arguments: argparse.Namespace) -> None:
    settings = load()
    rows = choose(read(arguments.texts, settings, utc_now()), settings.score.reference_rows)
    with closing(open_embedder(settings.embed)) as embedder:
        _save(embed_texts(embedder, rows), arguments.out)


def _show(arguments: argparse.Namespace) -> None:
    settings, now = load(), utc_now()
    if arguments.store is None:
        rows = read(arguments.file, settings, now)
    else:
        rows = read_store(arguments.store, settings.source.mask)
    for line in summary(rows, now):
        print(line)


def _save(rows: pa.RecordBatch, out: Path) -> None:
    if out.suffix != ".parquet":
        raise SettingsError(f"{out}: write the name of a .parquet file")
    unfinished = out.with_suffix(".unfinished")
    try:
        pq.write_table(pa.Table.from_batches([rows]), unfinished)
        os.replace(unfinished, out)
    except OSError as error:
        raise SourceError(f"{out}: cannot be written: {error.strerror or error}; name another file") from None
    print(logs.visible(f"{out}: {len(rows)} texts"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataflow.reference",
        description="save and show references; score.pinned takes a saved one",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    export = commands.add_parser("export", help="save the references in a recovery store; no flow may use it")
    export.set_defaults(run=_export)
    export.add_argument("--store", type=Path, required=True, metavar="FOLDER", help="the recovery store")
    export.add_argument("--key", help="save the reference of this key alone")
    imports = commands.add_parser("import", help="embed known-good texts and save them")
    imports.set_defaults(run=_import)
    imports.add_argument("texts", metavar="TEXTS", help="a .jsonl, .jsonl.gz or .parquet file")
    for each in (export, imports):
        each.add_argument("out", type=Path, metavar="OUT", help="the .parquet file to write")
    show = commands.add_parser("show", help="print size, age and clusters of the reference of each key")
    show.set_defaults(run=_show)
    what = show.add_mutually_exclusive_group(required=True)
    what.add_argument("file", nargs="?", metavar="FILE", help="a saved reference, or a file with texts")
    what.add_argument("--store", type=Path, metavar="FOLDER", help="a recovery store that no flow uses")
    return parser


if __name__ == "__main__":
    sys.exit(main())
