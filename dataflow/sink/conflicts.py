"""Refuses settings in which two sinks write one file, or a sink writes a file that the source reads."""

import fnmatch
import glob
import os
from dataclasses import dataclass
from typing import get_args

from dataflow.endpoints.uri import Uri, parse_uri
from dataflow.errors import SettingsError
from dataflow.settings import Settings
from dataflow.sink import Stream
from dataflow.sink.paths import real_path, table_path
from dataflow.sink.step_ids import step_id


@dataclass(frozen=True)
class _Output:
    """What a sink writes. ``setting``: where the settings name the sink; ``path``: the real path of the file
    or folder, or the URL of a table.
    """

    setting: str
    path: str
    folder: bool


def refuse_conflicts(settings: Settings) -> None:
    """Raise ``SettingsError`` if two sinks would write one file, or a sink a file that the source reads.

    A URI that one stream names twice is refused too.
    """
    outputs = _outputs(settings)
    for number, output in enumerate(outputs):
        for other in outputs[:number]:
            _refuse_shared(output, other)
    source = parse_uri(settings.source.uri)
    for output in outputs:
        if source.scheme in ("file", "tail") and source.path:
            _refuse_read(output, source)
        elif source.scheme == "delta" and _same_file(output.path, table_path(source)):
            raise SettingsError(f"{output.setting}: is what source.uri={source} reads; name another table")


def _outputs(settings: Settings) -> list[_Output]:
    outputs = []
    for stream in get_args(Stream):
        steps: set[str] = set()
        for text in getattr(settings.sink, stream):
            setting, uri, step = f"sink.{stream}={text}", parse_uri(text), step_id(stream, text)
            if step in steps:
                raise SettingsError(f"{setting}: named more than once; name each sink of a stream once")
            steps.add(step)
            if uri.scheme == "file" and uri.path:
                path = real_path(uri)
                outputs.append(_Output(setting, path, path.endswith(".parquet")))
            elif uri.scheme == "delta":
                outputs.append(_Output(setting, table_path(uri), folder=True))
    return outputs


def _refuse_shared(output: _Output, other: _Output) -> None:
    for one, two in ((output, other), (other, output)):
        if _same_file(one.path, two.path):
            raise SettingsError(
                f"{output.setting}: is the file of {other.setting}, too; give each sink a file of its own"
            )
        if one.folder and _inside(two.path, one.path):
            raise SettingsError(
                f"{two.setting}: lies in the folder of {one.setting}; name a file outside that folder"
            )


def _refuse_read(output: _Output, source: Uri) -> None:
    patterns = _patterns(source)
    read = [path for pattern in patterns for path in glob.glob(pattern, recursive=True)]
    written = os.path.join(output.path, "part-00000000.parquet") if output.folder else output.path
    if (
        any(_matches(written, pattern) for pattern in patterns)
        or any(_same_file(output.path, path) for path in read)
        or (output.folder and any(_inside(os.path.realpath(path), output.path) for path in read))
    ):
        raise SettingsError(
            f"{output.setting}: is what source.uri={source} reads; name a file that the source does not read"
        )


def _patterns(source: Uri) -> list[str]:
    """Globs of the files that a source of files reads, of those that do not exist yet, too."""
    path = os.path.normpath(source.path)
    if source.scheme == "tail" and (os.path.isdir(path) or source.path.endswith("/")):
        return [os.path.join(glob.escape(path), "*")]
    if os.path.lexists(path) or not glob.has_magic(path):
        rotated = ("[.-][0-9]*",) if source.scheme == "tail" else ()
        return [glob.escape(path), *(glob.escape(path) + suffix for suffix in rotated)]
    return [path]


def _same_file(one: str, two: str) -> bool:
    """Whether both paths are one file, also through symbolic or hard links."""
    if os.path.realpath(one) == os.path.realpath(two):
        return True
    try:
        return os.path.samefile(one, two)
    except OSError:
        return False


def _inside(path: str, folder: str) -> bool:
    return path.startswith(folder + os.sep)


def _matches(path: str, pattern: str) -> bool:
    """Whether ``glob(pattern)`` would find ``path`` if ``path`` existed."""
    parts = os.path.abspath(pattern).split(os.sep)
    fixed = next((n for n, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    start = os.path.realpath(os.sep.join(parts[:fixed]) or os.sep)
    head = [] if start == os.sep else start.split(os.sep)[1:]
    return _parts_match(path.split(os.sep)[1:], [*map(glob.escape, head), *parts[fixed:]])


def _parts_match(path: list[str], pattern: list[str]) -> bool:
    if not pattern or not path:
        return not path and all(part == "**" for part in pattern)
    hidden = path[0].startswith(".") and not pattern[0].startswith((".", "[.]"))
    if pattern[0] == "**":
        return _parts_match(path, pattern[1:]) or (not hidden and _parts_match(path[1:], pattern))
    return not hidden and fnmatch.fnmatchcase(path[0], pattern[0]) and _parts_match(path[1:], pattern[1:])
