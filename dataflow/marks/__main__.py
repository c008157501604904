"""The command line of marks: marks an incident, or takes its marks back."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from dataflow.clock import micros, rfc3339, utc_now
from dataflow.errors import DriftlineError, SettingsError, SourceError
from dataflow.marks.append import append
from dataflow.marks.line import parse
from dataflow.marks.newest import newest_row
from dataflow.marks.open import open_store, path_of
from dataflow.settings import Settings, load, load_log
from dataflow.telemetry import logs


def main(words: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 2 with one line on stderr for a mistake of the user."""
    arguments = _parser().parse_args(words)
    logs.start(load_log().model_copy(update={"level": "warning"}))
    try:
        settings = _settings(arguments)
        rows = list(_rows(arguments, settings))
        append(arguments.marks, rows, settings)
    except DriftlineError as error:
        print(logs.visible(f"driftline: {error}"), file=sys.stderr)
        return 2
    kind = "rows" if path_of(arguments.marks) is None else "lines"
    print(logs.visible(f"{arguments.marks}: {len(rows)} {kind}"))
    return 0


def _settings(arguments: argparse.Namespace) -> Settings:
    """Those of the process, if a table needs storage options; a file needs no settings."""
    tables = [text for text in (arguments.marks, arguments.alerts) if text and text.startswith("delta:")]
    return load() if tables else Settings()


def _rows(arguments: argparse.Namespace, settings: Settings) -> Iterator[dict[str, Any]]:
    said = {
        "mark": arguments.mark,
        "ts": arguments.at or rfc3339(micros(utc_now())),
        "incident": arguments.incident,
    }
    more = {"until": arguments.until, "by": arguments.by, "note": arguments.note}
    said |= {name: value for name, value in more.items() if value is not None}
    about = _marked(arguments, settings) if arguments.mark == "none" else _examples(arguments, settings)
    for each in about:
        row = said | {name: value for name, value in each.items() if value is not None}
        try:
            parse(orjson.dumps(row))
        except ValueError as error:
            raise SettingsError(f"{error}; correct the argument") from None
        yield row


def _examples(arguments: argparse.Namespace, settings: Settings) -> list[dict[str, Any]]:
    """What the newest row about the incident shows."""
    if arguments.alerts is None:
        raise SettingsError("--alerts is missing; name the file that sink.alerts writes")
    row = newest_row(arguments.alerts, arguments.incident, settings)
    if row["kind"] == "drift":
        raise SettingsError(
            f"incident {arguments.incident} is a drift; only incidents of events can be marked"
        )
    key = None if arguments.everywhere else row["key"]
    return [{"text": each["text"], "nearest": each["nearest"], "key": key} for each in row["examples"]]


def _marked(arguments: argparse.Namespace, settings: Settings) -> list[dict[str, Any]]:
    """What identifies the marks of the incident."""
    store = open_store(arguments.marks, settings)
    store.look()
    marks = {mark.name: mark for mark in store.marks if mark.incident == arguments.incident}
    if not marks:
        raise SourceError(f"{arguments.marks}: no marks of incident {arguments.incident}; nothing is written")
    return [{"id": mark.id} if mark.id else {"text": mark.text, "key": mark.key} for mark in marks.values()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataflow.marks",
        description="mark the texts of an incident as expected or real, or take its marks back",
    )
    parser.add_argument("mark", choices=("expected", "real", "none"), help="none takes the marks back")
    parser.add_argument("incident", metavar="INCIDENT", help="the field incident of an alert")
    parser.add_argument(
        "--marks", required=True, metavar="URI", help="that of alert.marks: a file or a table"
    )
    parser.add_argument("--alerts", metavar="URI", help="that of sink.alerts: a .jsonl file or a table")
    parser.add_argument("--everywhere", action="store_true", help="mark for all keys, not for one alone")
    parser.add_argument("--at", metavar="TIME", help="from when on the marks count; now if not given")
    parser.add_argument("--until", metavar="TIME", help="when the marks end")
    parser.add_argument("--by", metavar="NAME", help="who says so")
    parser.add_argument("--note", metavar="TEXT", help="why")
    return parser


if __name__ == "__main__":
    sys.exit(main())
