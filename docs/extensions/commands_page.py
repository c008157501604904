"""The reference of command lines, from the argument parsers."""

import argparse
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from dashboard import __main__ as page
from dashboard.terminal import command as top
from dataflow.backtest import __main__ as backtest
from dataflow.doctor import __main__ as doctor
from dataflow.marks import __main__ as marks
from dataflow.reference import __main__ as reference
from dataflow.replay import __main__ as replay
from dataflow.sink.webhook import __main__ as webhook
from docs.extensions.markdown import duration, markdown, row, sentence, table
from export import __main__ as export
from export.manage import arguments as management

ROOT = Path(__file__).parents[2]
_HELP = {"-h", "--help"}

COMMANDS = """\
# Command lines

`make help` lists the targets of `make`.

## The dataflow

```sh
python -m bytewax.run dataflow.flow:flow
```

The [settings](settings.md) are variables or a file. The flags are those of Bytewax:

| flag | meaning |
|---|---|
| `-r`, `--recovery-directory` | the [recovery store](../guides/operations.md#the-recovery-store) |
| `-s`, `--snapshot-interval` | seconds between snapshots |
| `-b`, `--backup-interval` | seconds for which an older snapshot is kept, for backups |
| `-w`, `--workers-per-process` | worker threads in a process |
| `-i`, `--process-id` | the number of this process in a cluster |
| `-a`, `--addresses` | the addresses of all processes of the cluster |

`python -m bytewax.recovery DIRECTORY N` makes a recovery store of `N` partitions.

The exit code is 0 after the end of the input or an orderly stop, 2 for a mistake that the start finds, 1 for
an error later, 143 or 130 after a second signal.
"""

BACKTEST = """
[The guide](../guides/backtest.md) explains the backtest. The exit code is 0 when it is done, 2 for a mistake,
and 1 for an error while events are scored.
"""

REPLAYS = """
## Replays

These commands list dead letters and late events, and send them through the flow again:
[Replay](../guides/replay.md). The settings of the dataflow apply. The exit code is 0 when it is done, 2 for a
mistake, and 1 for a server that does not answer or a send that has not come to its end.
"""

REFERENCES = """
## References

These commands save and show [references](../explanation/scores.md#a-pinned-reference). The settings of the
dataflow apply.
"""

MODELS = """
## Models and the model server

`export build` and `export sidecar` need no server. All other commands talk to a running server and take these
arguments, too:

| argument | meaning |
| --- | --- |
"""


def commands_page() -> str:
    """The text of docs/reference/commands.md."""
    parts = [COMMANDS, _command(doctor._parser(), "The doctor"), _command(backtest._parser(), "The backtest")]
    parts += [
        BACKTEST,
        _command(page._parser(), "The live page"),
        _command(top._parser(), "The top of the stream"),
        _command(marks._parser(), "Marks"),
        _command(webhook._parser(), "Webhooks"),
        REPLAYS,
    ]
    for name, about, each in _commands(replay._parser()):
        parts.append(_command(each, f"replay {name}", about, level=3))
    parts.append(REFERENCES)
    for name, about, each in _commands(reference._parser()):
        parts.append(_command(each, f"reference {name}", about, level=3))
    models = list(_commands(export._parser()))
    parsers = {name: each for name, _, each in models}
    shared = _shared(parsers["list"], parsers["rollback"])
    parts += [MODELS, _arguments(shared)]
    for name, about, each in models:
        left_out = shared if name in management.COMMANDS else []
        parts.append(_command(each, f"export {name}", about, level=3, left_out=left_out))
    return "".join(parts)


def _commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Name, description and parser of each command of ``parser``."""
    (commands,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    about = {each.dest: each.help or "" for each in commands._choices_actions}
    for name, each in commands.choices.items():
        yield name, about[name], each


def _shared(one: argparse.ArgumentParser, other: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments of ``one`` that ``other`` has, too."""
    options = {option for action in other._actions for option in action.option_strings}
    return [action for action in one._actions if (options - _HELP) & set(action.option_strings)]


def _command(
    parser: argparse.ArgumentParser,
    title: str,
    about: str = "",
    level: int = 2,
    left_out: Sequence[argparse.Action] = (),
) -> str:
    about = sentence(about or parser.description or "")
    text = f"\n{'#' * level} {title}\n\n`{parser.prog}`: {about[0].lower() + about[1:]}\n"
    known = {option for action in left_out for option in action.option_strings}
    own = [action for action in parser._actions if not (known | _HELP) & set(action.option_strings)]
    rows = table(("argument", "meaning"), []) + _arguments(own)
    return text + f"\n{rows}" * bool(own)


def _arguments(actions: Iterable[argparse.Action]) -> str:
    return "".join(row((_invocation(action), markdown(_help(action)))) for action in actions)


def _invocation(action: argparse.Action) -> str:
    name = ", ".join(action.option_strings) or str(action.metavar or action.dest)
    if not action.option_strings or action.nargs == 0:
        return f"`{name}`"
    if action.choices:
        return f"`{name}` " + ", ".join(f"`{choice}`" for choice in action.choices)
    many = " ..." if action.nargs == "+" else ""
    return f"`{name} {action.metavar or action.dest.upper()}{many}`"


def _help(action: argparse.Action) -> str:
    """The help text; with the default if the text does not name the default."""
    default = _shown(action.default)
    text = (action.help or "") % {"default": default}
    if default and action.option_strings and "default" not in text:
        text += f"{'; ' * bool(text)}default: {default}"
    return text


def _shown(default: object) -> str:
    if default in (None, False, [], argparse.SUPPRESS):
        return ""
    if isinstance(default, list):
        return " ".join(map(str, default))
    if isinstance(default, timedelta):
        return duration(default)
    if isinstance(default, Path) and default.is_absolute():
        return os.path.relpath(default, ROOT)
    return str(default)
