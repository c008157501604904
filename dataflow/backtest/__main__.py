"""The command line of the backtest."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from dataflow.alert.rows import batch
from dataflow.backtest.again import outputs, replay
from dataflow.backtest.alert_rows import AlertRows, find_alerts
from dataflow.backtest.comparison import Comparison, compare
from dataflow.backtest.incidents import incidents_of
from dataflow.backtest.marked import RecordedMarks, read_marks
from dataflow.backtest.page import page
from dataflow.backtest.precision import Judge, Precision, by_label, by_marks, last_words, precision
from dataflow.backtest.recorded import Recorded, open_recorded
from dataflow.backtest.report import Run, report
from dataflow.backtest.stored import decide
from dataflow.backtest.terminal import lines
from dataflow.errors import DriftlineError, OutageError, SettingsError, SourceError
from dataflow.items.likeness import UNMARKED
from dataflow.settings import Settings, differences, load, load_log
from dataflow.sink.encoding import json_lines
from dataflow.telemetry import logs
from dataflow.threads import one_thread

_Scores = Literal["stored", "again"]
#: Settings that decide no score.
_OF_ALERTS = ("alert.", "drift.")


def main(words: Sequence[str] | None = None) -> int:
    """Decide recorded events again, under other settings and without a model, and compare the incidents.

    0: done; with one line on stderr 1 for an error while the events are scored, 2 for a mistake of the user.
    """
    arguments = _parser().parse_args(words)
    logs.start(load_log().model_copy(update={"level": "warning"}))
    one_thread()
    try:
        _run(arguments)
    except DriftlineError as error:
        print(logs.visible(f"driftline: {error}"), file=sys.stderr)
        return 1 if isinstance(error, OutageError) else 2
    return 0


def _run(arguments: argparse.Namespace) -> None:
    settings, out = load(config=arguments.settings), arguments.out
    if not settings.score.reference:
        raise SettingsError("a backtest needs a reference, which alerts need: set score.reference = true")
    recorded = open_recorded(arguments.recorded, settings)
    compared = _compared(arguments.compare, recorded, settings)
    differ = None if recorded.made_by is None else differences(recorded.made_by, settings)
    scores, why = _choose(arguments.scores, differ)
    before = incidents_of(compared.read()) if compared else []
    marks = read_marks(recorded, settings)
    _make(out, recorded)
    notes = _notes(settings, differ, scores, marks)
    likeness = marks.likeness(settings.alert.radius) if marks else UNMARKED
    if scores == "stored":
        size, rows = decide(recorded, settings, likeness)
        outputs(out)["alerts"].write_bytes(json_lines(batch(rows)))
    else:
        size = replay(recorded, settings, out, likeness)
        notes += _dead(outputs(out)["dead_letters"])
    found = compare(before, incidents_of(AlertRows(outputs(out)["alerts"]).read()))
    every = [*found.before, *found.after]
    labels = by_label(recorded, arguments.labels, every) if arguments.labels else None
    people = by_marks(marks, recorded, settings.alert.radius, every) if marks and marks.marks else None
    run = Run(arguments.recorded, scores, why, size, differ, compared.name if compared else None, notes)
    _write(report(run, found, _precisions(labels, found), _precisions(people, found)), out)


def _choose(asked: _Scores | None, differ: Mapping[str, Any] | None) -> tuple[_Scores, str]:
    """Which scores are used, and why."""
    if asked:
        return asked, f"of --scores {asked}"
    if differ is None:
        return "again", "the rows do not say which settings made them"
    other = [name for name in differ if not name.startswith(_OF_ALERTS)]
    if other:
        return "again", f"{other[0]} differs from the recorded settings"
    return "stored", "the settings of windows and scores are the recorded ones"


def _compared(asked: str | None, recorded: Recorded, settings: Settings) -> AlertRows | None:
    found = find_alerts(asked or recorded.folder, settings)
    if asked and found is None:
        raise SourceError(f"{asked}: no alerts; name the file or the table of sink.alerts, or its folder")
    return found


def _make(out: Path, recorded: Recorded) -> None:
    """Make the folder of the output, and remove the output of an earlier backtest."""
    if out.exists() and any(out.resolve() in file.resolve().parents for file in recorded.files):
        raise SettingsError(f"--out {out}: has the recorded rows; name another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path in outputs(out).values():
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
    except OSError as error:
        raise SourceError(f"--out {out}: cannot be written: {os.strerror(error.errno or 0)}") from None


def _notes(
    settings: Settings, differ: Mapping[str, Any] | None, scores: _Scores, marks: RecordedMarks | None
) -> list[str]:
    notes = list(marks.notes) if marks else []
    if scores == "stored":
        asked = settings.score.explain
        if asked is None or asked > settings.alert.least_anomaly:
            what = "no event" if asked is None else f"only events with an anomaly of {asked} or more"
            notes.append(f"the rows explain {what}; other alerts have no explanation here (score.explain)")
        if other := [name for name in differ or () if not name.startswith(_OF_ALERTS)]:
            notes.append(f"the stored scores were made with other settings: {', '.join(other)}")
    elif differ and "source.mask" in differ:
        notes.append("source.mask differs; the embeddings are those of the recorded mask")
    if scores == "stored" and marks and any(mark.mark == "real" for mark in last_words(marks.marks)):
        notes.append("stored scores do not leave events marked real out of references (--scores again)")
    if settings.window.max_window_rows or settings.window.max_window_bytes:
        notes.append("windows with too many events were recorded as samples; the other events are not there")
    return notes


def _dead(path: Path) -> list[str]:
    number = len(path.read_bytes().splitlines()) if path.exists() else 0
    return [f"{number} events have no embedding of the version that their window needs"] if number else []


def _precisions(judge: Judge | None, found: Comparison) -> dict[str, Precision] | None:
    runs = {"before": found.before, "after": found.after}
    return judge and {name: precision(incidents, judge) for name, incidents in runs.items()}


def _write(found: dict[str, Any], out: Path) -> None:
    (out / "report.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", "utf-8")
    for line in lines(found, shutil.get_terminal_size((120, 24)).columns):
        print(logs.visible(line))
    html, path = page(found), out / "report.html"
    print()
    if html is None:
        path.unlink(missing_ok=True)
        print(f"{out / 'report.json'} is written; report.html needs: pip install 'driftline[backtest]'")
    else:
        path.write_text(html, "utf-8")
        print(f"{path} and {out / 'report.json'} are written")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataflow.backtest",
        description="decide recorded events again, under other settings and without a model, and compare the "
        "incidents with those of another run",
    )
    parser.add_argument(
        "--from",
        dest="recorded",
        required=True,
        metavar="URI",
        help="scored rows with embeddings (sink.embeddings): a Delta table (delta:PATH), a folder of Parquet "
        "files, a .jsonl file, or a folder with scores.parquet or scores.jsonl",
    )
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="a TOML file of settings, in place of the one that DRIFTLINE_CONFIG names; variables win, too",
    )
    parser.add_argument(
        "--compare",
        metavar="URI",
        help="alerts of another run: a file, a Delta table, or the folder that has them; default: those "
        "beside the recorded rows",
    )
    parser.add_argument(
        "--scores",
        choices=get_args(_Scores),
        help="stored: decide alerts from the stored scores; again: make windows and scores again; default: "
        "stored if the settings of windows and scores are the recorded ones, else again",
    )
    parser.add_argument(
        "--labels",
        metavar="FIELD",
        help="an attribute that only true anomalies have, for the precision of the incidents",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out/backtest"),
        metavar="FOLDER",
        help="where to write report.html, report.json and the new rows",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
