"""The command line of replays."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing, nullcontext
from datetime import datetime, timezone
from pathlib import Path

from dataflow.clock import micros, utc_now
from dataflow.errors import DriftlineError, OutageError, SettingsError, UnreachableError
from dataflow.items.schemas import REASONS
from dataflow.replay import listing, sending
from dataflow.replay.check import report_on
from dataflow.replay.letters import Filters, Letters
from dataflow.replay.rows import LATE
from dataflow.settings import load, load_log
from dataflow.source.dead_letters.selection import FILE, Selection
from dataflow.telemetry import logs


def main(words: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0: done; with one line on stderr 1 for a server that does not answer, or a send that was stopped before
    its end; 2 for a mistake of the user.
    """
    arguments = _parser().parse_args(words)
    logs.start(load_log().model_copy(update={"level": "warning"}))
    try:
        code: int = arguments.run(arguments)
    except DriftlineError as error:
        print(logs.visible(f"driftline: {error}"), file=sys.stderr)
        return 1 if isinstance(error, OutageError | UnreachableError) else 2
    return code


def _list(arguments: argparse.Namespace) -> int:
    batches = _letters(arguments).batches()
    if arguments.rows:
        _print([listing.line(letter) for letters in batches for letter in letters])
    else:
        _print(listing.table(batches, arguments.by))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    letters, settings = _letters(arguments), load()
    exists = (arguments.folder / FILE).exists()
    with closing(Selection(arguments.folder)) if exists else nullcontext() as selection:
        report = report_on(letters.batches(), settings, utc_now(), selection, again=arguments.again)
    _print(report.lines())
    return 0


def _send(arguments: argparse.Namespace) -> int:
    settings = load()
    with closing(Selection(arguments.folder, create=True)) as selection:
        send = sending.unfinished(selection)
        if send:
            _print([f"send {send.number} has not come to its end, so it goes on; then send again"])
        else:
            letters = _letters(arguments)
            send, report = sending.select(
                selection,
                letters.batches(),
                settings,
                utc_now(),
                inputs=letters.inputs,
                append=arguments.append,
                again=arguments.again,
                prepare=arguments.prepare,
            )
            _print(report.lines())
        if send is None:
            return 0
        if send.state == "prepared":
            _print([f"run the flow with DRIFTLINE_SOURCE__URI='{sending.source_uri(selection, send)}'"])
            return 0
        result = sending.run(selection, send, settings)
        if result is None:
            print(f"send {send.number} was stopped; `send` goes on with it", file=sys.stderr)
            return 1
        _print([*result, f"send {send.number}: the output is in {sending.folder_of(selection, send)}"])
    return 0


def _sends(arguments: argparse.Namespace) -> int:
    with closing(Selection(arguments.folder)) as selection:
        cells = [("send", "state", "records", "source")]
        for send in selection.sends():
            records = str(selection.count(send.number))
            cells.append((str(send.number), send.state, records, sending.source_uri(selection, send)))
        _print(listing.aligned(cells))
    return 0


def _forget(arguments: argparse.Namespace) -> int:
    with closing(Selection(arguments.folder)) as selection:
        if arguments.send not in [send.number for send in selection.sends()]:
            raise SettingsError(f"{arguments.folder}: there is no send {arguments.send}")
        count = selection.forget(arguments.send)
        _print([f"send {arguments.send}: {count} records can be sent again; the output stays"])
    return 0


def _letters(arguments: argparse.Namespace) -> Letters:
    filters = Filters(arguments.reason, arguments.key, arguments.since, arguments.until)
    return Letters(load(), arguments.uris, filters, utc_now)


def _print(lines: Sequence[str]) -> None:
    for line in lines:
        print(logs.visible(line), flush=True)


def _time(text: str) -> int:
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise argparse.ArgumentTypeError("write a time as 2026-11-23T11:00:00Z, or a day") from None
    return micros(time if time.tzinfo else time.replace(tzinfo=timezone.utc))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataflow.replay",
        description="list dead letters and late events, and send them through the flow again after a fix",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    listed = _action(actions, "list", _list, "how many letters there are, with an example of each group")
    listed.add_argument(
        "--by", choices=list(listing.GROUPS), default="reason", help="what groups the letters"
    )
    listed.add_argument("--rows", action="store_true", help="a line for each letter, and no groups")
    checked = _action(
        actions, "check", _check, "what a send would do with the present settings; writes nothing"
    )
    sent = _action(actions, "send", _send, "send the records that pass and were not sent before")
    for each in (checked, sent):
        each.add_argument(
            "--again", action="store_true", help="also records that were sent before and refused"
        )
    sent.add_argument(
        "--append",
        action="store_true",
        help="also append scores, alerts, late events and dead letters to the Delta tables and Kafka topics "
        "of the settings",
    )
    sent.add_argument(
        "--prepare",
        action="store_true",
        help="only select the records; you run the flow yourself, with the source that is printed",
    )
    for each in (listed, checked, sent):
        _filters(each)
    shown = _action(actions, "sends", _sends, "the sends, and how many records each has")
    forgotten = _action(actions, "forget", _forget, "forget a send, as if its records had never been sent")
    forgotten.add_argument("send", type=int, metavar="SEND", help="the number of the send")
    for each in (checked, sent, shown, forgotten):
        each.add_argument(
            "--folder",
            type=Path,
            default=Path("out/replay"),
            help="where the sends are remembered, and where their output goes",
        )
    return parser


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, run: object, help: str
) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(name, help=help, description=help)
    action.set_defaults(run=run)
    return action


def _filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("uris", nargs="+", metavar="URI", help="the output of sink.dead_letters or sink.late")
    parser.add_argument(
        "--reason",
        action="append",
        default=[],
        choices=[*REASONS, LATE],
        help="only letters with this reason",
    )
    parser.add_argument("--key", action="append", default=[], help="only letters with this key")
    when = "the time when a dead letter was read, or of a late event; UTC without an offset"
    parser.add_argument("--since", type=_time, metavar="TIME", help=f"only letters from then on: {when}")
    parser.add_argument("--until", type=_time, metavar="TIME", help="only letters before")


if __name__ == "__main__":
    sys.exit(main())
