"""The command line of marks: marks an incident, or takes its marks back."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from dataflow.clock import micros, rfc3339, utc_now
from dataflow.errors import DriftlineError, SettingsError, SourceError
from dataflow.marks.file import MarksFile
from dataflow.marks.line import parse
from dataflow.settings import load_log
from dataflow.telemetry import logs


def main(words: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 2 with one line on stderr for a mistake of the user."""
    arguments = _parser().parse_args(words)
    logs.start(load_log())
    try:
        lines = list(_lines(arguments))
        _append(arguments.marks, lines)
    except DriftlineError as error:
        print(logs.visible(f"driftline: {error}"), file=sys.stderr)
        return 2
    print(logs.visible(f"{arguments.marks}: {len(lines)} lines"))
    return 0


def _lines(arguments: argparse.Namespace) -> Iterator[bytes]:
    said = {
        "mark": arguments.mark,
        "ts": arguments.at or rfc3339(micros(utc_now())),
        "incident": arguments.incident,
    }
    more = {"until": arguments.until, "by": arguments.by, "note": arguments.note}
    said |= {name: value for name, value in more.items() if value is not None}
    about = _marked(arguments) if arguments.mark == "none" else _examples(arguments)
    for each in about:
        line = orjson.dumps(said | {name: value for name, value in each.items() if value is not None})
        try:
            parse(line)
        except ValueError as error:
            raise SettingsError(f"{error}; correct the argument") from None
        yield line + b"\n"


def _examples(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """What the newest row about the incident shows."""
    if arguments.alerts is None:
        raise SettingsError("--alerts is missing; name the file that sink.alerts writes")
    row = _newest(arguments.alerts, arguments.incident)
    key = None if arguments.everywhere else row["key"]
    return [{"text": each["text"], "nearest": each["nearest"], "key": key} for each in row["examples"]]


def _newest(path: Path, incident: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] | None = None
    try:
        with path.open("rb") as file:
            for raw in file:
                if incident.encode() in raw and (row := orjson.loads(raw))["incident"] == incident:
                    found = row
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}; name the file that sink.alerts writes") from None
    except (orjson.JSONDecodeError, TypeError, KeyError):
        raise SourceError(f"{path}: holds no alerts; name the file that sink.alerts writes") from None
    if found is None:
        raise SourceError(f"{path}: no incident {incident}; name one that the file holds")
    if found["kind"] == "drift":
        raise SettingsError(f"incident {incident} is a drift; only incidents of events can be marked")
    return found


def _marked(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """What identifies the marks of the incident."""
    file = MarksFile(arguments.marks)
    if arguments.marks.is_file():
        file.look()
    marks = {mark.name: mark for mark in file.marks if mark.incident == arguments.incident}
    if not marks:
        raise SourceError(f"{arguments.marks}: no marks of incident {arguments.incident}; nothing is written")
    return [{"id": mark.id} if mark.id else {"text": mark.text, "key": mark.key} for mark in marks.values()]


def _append(path: Path, lines: Sequence[bytes]) -> None:
    try:
        with path.open("ab+") as file:
            if file.tell():
                file.seek(-1, 2)
                is_whole = file.read() == b"\n"
            else:
                is_whole = True
            # One write, so that the lines of two processes do not mix.
            file.write((b"" if is_whole else b"\n") + b"".join(lines))
    except OSError as error:
        raise SourceError(f"{path}: cannot be written: {error.strerror}; name another file") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataflow.marks",
        description="mark the texts of an incident as expected or real, or take its marks back",
    )
    parser.add_argument("mark", choices=("expected", "real", "none"), help="none takes the marks back")
    parser.add_argument("incident", metavar="INCIDENT", help="the field incident of an alert")
    parser.add_argument("--marks", type=Path, required=True, metavar="FILE", help="the file of alert.marks")
    parser.add_argument("--alerts", type=Path, metavar="FILE", help="the .jsonl file of sink.alerts")
    parser.add_argument("--everywhere", action="store_true", help="mark for all keys, not for one alone")
    parser.add_argument("--at", metavar="TIME", help="from when on the marks count; now if not given")
    parser.add_argument("--until", metavar="TIME", help="when the marks end")
    parser.add_argument("--by", metavar="NAME", help="who says so")
    parser.add_argument("--note", metavar="TEXT", help="why")
    return parser


if __name__ == "__main__":
    sys.exit(main())
