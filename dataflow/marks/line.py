"""A mark: one JSON object on a line of its own."""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from dataflow.clock import FOREVER, micros

#: The version of the format of a line.
FORMAT = 1
#: The fields whose values are repeated in logs. The others may hold texts.
_SHOWN = ("format", "mark", "ts", "until")
_MOST_CHARACTERS = 80


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is blank")
    return text


_Text = Annotated[str, AfterValidator(_not_blank)]


class Mark(BaseModel):
    """A line of the file.

    A line counts for windows that end at ``ts`` or later. Of the lines with one ``id``, the one with the
    latest ``ts`` counts; of equal ``ts``, the later line.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Annotated[int, Field(ge=FORMAT, le=FORMAT)] = FORMAT
    mark: Literal["expected", "real", "none"]
    ts: AwareDatetime
    id: Annotated[str, Field(min_length=1)] | None = None
    text: _Text | None = None
    nearest: _Text | None = None
    key: str | None = None
    until: AwareDatetime | None = None
    incident: str | None = None
    by: str | None = None
    note: str | None = None

    @model_validator(mode="after")
    def _says_enough(self) -> "Mark":
        if self.mark != "none" and self.text is None:
            raise ValueError(f"text is missing: {self.mark} needs the text that it is about")
        if self.text is None and self.id is None:
            raise ValueError("id is missing: none needs the id, or the text and the key, of a mark")
        if self.until is not None and self.until <= self.ts:
            raise ValueError("until is not later than ts")
        return self

    @property
    def name(self) -> str:
        """What identifies the mark: ``id``, or else the text and the key."""
        if self.id is not None:
            return self.id
        return f"\0{self.text}" if self.key is None else f"\0{self.key}\0{self.text}"

    @property
    def first(self) -> int:
        """The first end of a window for which the line counts, in microseconds."""
        return micros(self.ts)

    @property
    def end(self) -> int:
        """From this end of a window on, the mark counts no longer."""
        return FOREVER if self.until is None else micros(self.until)


def parse(raw: bytes) -> Mark:
    """The mark on a line. Raises ``ValueError``, whose text names the field and says what is wrong.

    >>> parse(b'{"mark": "expected", "text": "a backup", "ts": "2026-01-01T00:00:00Z"}').mark
    'expected'
    >>> parse(b'{"mark": "expcted", "text": "a backup", "ts": "2026-01-01T00:00:00Z"}')
    Traceback (most recent call last):
    ValueError: mark='expcted': Input should be 'expected', 'real' or 'none'
    """
    try:
        return Mark.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if not place:
        raise ValueError(message)
    is_shown = place in _SHOWN and first["type"] != "missing"
    shown = f"={str(first['input'])[:_MOST_CHARACTERS]!r}" if is_shown else ""
    raise ValueError(f"{place}{shown}: {message}")
