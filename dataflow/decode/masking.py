"""Masks the parts of texts that differ from event to event, so that texts of one form become equal.

``source.mask`` names the patterns, and each match becomes the name of its pattern, such as ``<number>``. The
regular expressions are RE2, which takes time linear in the length of a text: no text and no pattern makes the
flow hang. RE2 has no look-behind. So a pattern takes the character before a match as a group, and the
replacement puts it back.

To mask a masked text again changes nothing. For this, no pattern matches in a token, and a match that begins
with a letter does not begin right after a token: a number before it has become a token meanwhile.
"""

import itertools
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from dataflow.errors import SettingsError

# What a match may follow: no letter and no digit. A match that begins with a letter may not follow a token.
# All classes are of ASCII: Arrow compiles a pattern for each batch, which takes 20 to 50 ms with \pL.
_START, _LETTER_START = "(^|[^0-9a-zA-Z])", "(^|[^0-9a-zA-Z>])"
_HEX = "[0-9a-fA-F]"
_IN_PATH, _FIRST_IN_PATH = r"[\w.@+~%\\/\x80-\x{10FFFF}-]", r"[a-zA-Z_.~\x80-\x{10FFFF}]"
_UUID = f"{_HEX}{{7}}-(?:{_HEX}{{4}}-){{3}}{_HEX}{{12}}"
# At least eight hexadecimal digits that begin with a decimal digit: with a letter, or with a leading zero.
_HEX_DIGITS = "|".join(
    [rf"0[xX]{_HEX}+", r"0\d{7,}", rf"\d{{8,}}[a-fA-F]{_HEX}*"]
    + [rf"\d{{{n}}}[a-fA-F]{_HEX}{{{7 - n},}}" for n in range(1, 8)]
)
# The address of a network card, or a fingerprint, without its first digit.
_PAIRS = f"{_HEX}(?::{_HEX}{{2}}){{5,}}"
_IPV4 = r"\d{1,3}(?:\.\d{1,3}){3}"
_GROUP = f"{_HEX}{{1,4}}"
_SEVEN_GROUPS = f"(?::{_GROUP}){{7}}"
_COMPRESSED = f"(?::{_GROUP}){{0,5}}::(?:{_IPV4}|{_GROUP}(?::{_GROUP}){{0,5}})"
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? "
_CLOCK = r"\d\d?:\d\d:\d\d(?:[.,]\d+)?"
_ZONE = r"(?: ?Z| ?[+-]\d\d:?\d\d| (?:UTC|GMT|BST|IST|JST|MSK|[ECMP][SD]T|[CEW]ES?T))?"
_DATE = r"(?:\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[/.]\d\d?[/.]\d{4})"
_DAY_MONTH = rf"\d\d?[ /-]{_MONTH}[ /-]\d{{4}}"
_MONTH_DAY = rf"{_MONTH} {{1,2}}\d\d?,?(?: \d{{4}})? {_CLOCK}{_ZONE}(?: \d{{4}})?"

#: Name -> regular expression. The patterns are applied in this order.
PATTERNS = {
    # The first name does not begin with a digit: the address /10.250.19.102:50010 is not a path.
    "path": rf"(^|[\s\"'`(\[{{=:,;|])(?:(?:~|\.\.?)?/{_FIRST_IN_PATH}{_IN_PATH}+|[a-zA-Z]:\\{_IN_PATH}*)",
    "uuid": rf"{_START}\d{_UUID}\b|{_LETTER_START}[a-fA-F]{_UUID}\b",
    "time": rf"{_START}(?:(?:{_DATE}|{_DAY_MONTH})(?:[T :]{_CLOCK}{_ZONE})?|{_CLOCK}{_ZONE})\b"
    rf"|{_LETTER_START}(?:{_DAY}{_DAY_MONTH}[T :]{_CLOCK}{_ZONE}|(?:{_DAY})?{_MONTH_DAY})\b",
    "hex": rf"{_START}(?:\d{_PAIRS}|{_HEX_DIGITS})\b|{_LETTER_START}[a-fA-F](?:{_PAIRS}|{_HEX}{{7,}})\b",
    "ip": rf"(^|[^0-9a-zA-Z.])(?:{_IPV4}|[23]{_HEX}{{3}}{_COMPRESSED}|\d{_HEX}{{0,3}}{_SEVEN_GROUPS})\b"
    rf"|(^|[^0-9a-zA-Z.>])(?:[fF][c-fC-F]{_HEX}{{2}}{_COMPRESSED}|[a-fA-F]{_HEX}{{0,3}}{_SEVEN_GROUPS})\b"
    rf"|(^|[^0-9a-zA-Z:>])::(?:[fF]{{4}}:{_IPV4}|1)\b",
    # Letters that follow are a unit, and stay, if they do not look like the rest of a hexadecimal number.
    "number": rf"{_START}[-+]?\d+(?:[.,_]\d+)*(?:[eE][-+]?\d+)?"
    r"((?:[a-fA-F]{0,3}|[a-zA-Z]*[g-zG-Z][a-zA-Z]*)(?:\b|_+[a-zA-Z]))",
}
# What stands around a match: the group before it, whichever alternative matched, or the group after it.
_KEPT = {"path": r"\1{}", "number": r"\1{}\2", "ip": r"\1\2\3{}"}
_OWN = re.compile(r"([a-z]+)=(.*)", re.DOTALL)


class Pattern(NamedTuple):
    """``item``: the pattern as ``source.mask`` has it. A match of ``regex`` becomes ``replacement``."""

    item: str
    token: str
    regex: str
    replacement: str


def masked(texts: pa.Array, patterns: Sequence[Pattern]) -> pa.Array:
    """``texts``, masked; null where that changes nothing.

    >>> texts = pa.array(["port 38926 ssh2", "Bye"])
    >>> masked(texts, patterns_of(("number",))).to_pylist()
    ['port <number> ssh2', None]
    """
    if not patterns:
        return pa.nulls(len(texts), pa.string())
    # Logs repeat themselves, so each different text is masked once.
    encoded = texts.dictionary_encode()
    before = after = encoded.dictionary
    for pattern in patterns:
        after = pc.replace_substring_regex(after, pattern.regex, pattern.replacement)
    changed = pc.if_else(pc.equal(after, before), pa.scalar(None, pa.string()), after)
    return changed.take(encoded.indices)


@lru_cache
def patterns_of(mask: tuple[str, ...]) -> tuple[Pattern, ...]:
    """The patterns of ``source.mask`` in the order of application: those of the user, then the named ones.

    Raises ``SettingsError`` for a name that does not exist, and for a regular expression that cannot be used.
    """
    own = [_own(item) for item in mask if item not in PATTERNS]
    found = (*own, *(_named(name) for name in PATTERNS if name in mask))
    for pattern in own:
        _check_regex(pattern)
    for pattern, other in itertools.product(found, found):
        if _matches(pattern.regex, other.token):
            at_fault = pattern if pattern in own else other
            raise SettingsError(
                f"source.mask={at_fault.item!r}: {pattern.item!r} would mask {other.token} again; make the "
                "regular expression narrower, or choose another name"
            )
    return found


def _named(name: str) -> Pattern:
    token = f"<{name}>"
    return Pattern(name, token, PATTERNS[name], _KEPT.get(name, r"\1\2{}").format(token))


def _own(item: str) -> Pattern:
    parts = _OWN.fullmatch(item)
    if parts is None:
        raise SettingsError(
            f"source.mask={item!r}: no such pattern; there are {', '.join(PATTERNS)}, and NAME=REGEX with a "
            "NAME of letters from a to z"
        )
    name, regex = parts.groups()
    return Pattern(item, f"<{name}>", regex, f"<{name}>")


def _check_regex(pattern: Pattern) -> None:
    wrong = f"source.mask={pattern.item!r}:"
    try:
        empty = _matches(pattern.regex, "")
    except (pa.ArrowInvalid, UnicodeEncodeError) as error:
        why = str(error).removeprefix("Invalid regular expression: ").partition(": ")[0]
        raise SettingsError(
            f"{wrong} not a regular expression of RE2 ({why}); correct it; RE2 has neither look-around nor "
            "back-references"
        ) from None
    if empty:
        raise SettingsError(f"{wrong} matches the empty text; let it match at least one character")


def _matches(regex: str, text: str) -> bool:
    found: bool = pc.match_substring_regex(pa.array([text]), regex)[0].as_py()
    return found
