"""What readers give, and how rows of JSON become it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import orjson
import pyarrow as pa

from dashboard import rows as scored
from dashboard.store import incidents, side
from dashboard.streams import FORMATS, VERSIONED, Stream, stream_of
from dataflow.errors import SourceError

Rows: TypeAlias = "pa.RecordBatch | list[dict[str, Any]]"


@dataclass(frozen=True)
class Block:
    """Rows that were read. ``anew``: forget what the source gave before. ``broken``: how many rows could not
    be read, and ``why`` says it of one of them. ``old``: the version of rows that this program cannot read.
    ``behind``: more rows wait.
    """

    stream: Stream
    rows: Rows = field(default_factory=list)
    anew: bool = False
    broken: int = 0
    why: str | None = None
    old: object = None
    behind: bool = False

    def __len__(self) -> int:
        return len(self.rows)


class OtherRowsError(SourceError):
    """The rows are of no stream."""


class Reader(Protocol):
    """Reads one output. ``stream``: what it holds; ``None``: not known yet."""

    stream: Stream | None

    def read(self) -> "Block | None":
        """What is new, a bounded part of it; ``None``: nothing. Raises ``SourceError`` or ``OSError``."""

    def close(self) -> None:
        """Let go of the output."""


def recognised(objects: Sequence[object]) -> Stream | None:
    """The stream of the first row that has one."""
    return next(
        (found for each in objects if isinstance(each, dict) and (found := stream_of(each.keys()))), None
    )


def parsed(lines: Sequence[bytes]) -> tuple[list[Any], list[int]]:
    """The JSON of each line, and the places of lines that are none. Empty lines are left out."""
    found, bad = [], []
    for place, line in enumerate(lines):
        if not line or line.isspace():
            continue
        try:
            found.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            bad.append(place)
    return found, bad


def lines_block(
    path: Path, stream: Stream | None, lines: Sequence[bytes], first: int, anew: bool, behind: bool
) -> tuple[Stream | None, Block | None]:
    """The stream and the block of lines of a file; the first one has the number ``first``. Raises
    ``OtherRowsError`` if there are rows, and they are of no stream.
    """
    objects, bad = parsed(lines)
    found = stream or recognised(objects)
    if found is None:
        if not objects and not bad:
            return None, None
        raise OtherRowsError(f"{path}: the rows are of no stream of Driftline; name the output of a sink")
    why = f"line {first + bad[0]} is not JSON" if bad else None
    return found, block_of(found, objects, anew=anew, behind=behind, broken=len(bad), why=why)


def block_of(stream: Stream, objects: Sequence[Any], **more: Any) -> Block:
    """Rows in JSON as a block. Rows that are wrong are counted."""
    if old := _old(stream, objects):
        return Block(stream, old=old, **more)
    made: Rows
    if stream == "scores":
        made, broken, why = _scores(objects)
    else:
        made, broken, why = _others(stream, objects)
    more["broken"] = more.get("broken", 0) + broken
    more["why"] = more.get("why") or why
    return Block(stream, made, **more)


def _old(stream: Stream, objects: Sequence[Any]) -> object:
    """The version of a row that is not the one that this program reads."""
    if stream not in VERSIONED:
        return None
    known = FORMATS[stream]
    said = (each.get("format", "none") for each in objects if isinstance(each, dict))
    return next((version for version in said if version not in known), None)


def _scores(objects: Sequence[Any]) -> tuple[Rows, int, str | None]:
    if not objects:
        return [], 0, None
    try:
        return scored.of_objects(objects), 0, None
    except scored.RowError as error:
        if len(objects) == 1:
            return [], 1, str(error)
    # One half after the other, so that a wrong row costs few attempts.
    middle = len(objects) // 2
    halves = [_scores(objects[:middle]), _scores(objects[middle:])]
    batches = [half for half, _, _ in halves if len(half)]
    whole = pa.Table.from_batches(batches).combine_chunks().to_batches()[0] if batches else []
    return whole, halves[0][1] + halves[1][1], halves[0][2] or halves[1][2]


def _others(stream: Stream, objects: Sequence[Any]) -> tuple[Rows, int, str | None]:
    found, why, broken = [], None, 0
    for each in objects:
        try:
            found.append(_checked(stream, each))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            broken += 1
            why = why or (f"the field {error} is missing" if isinstance(error, KeyError) else str(error))
    return found, broken, why


def _checked(stream: Stream, row: Mapping[str, Any]) -> dict[str, Any]:
    return incidents.checked(row) if stream == "alerts" else side.checked(stream, row)
