"""How times are written, as regular expressions: RFC 3339, numbers of an epoch, and ``strptime`` patterns.

``strptime`` itself is not used, because it cannot read a time at the start of a line, reads no nanoseconds,
takes the names of months from the locale, and gives a pattern without a year the year 1900. So a pattern
becomes a regular expression here.

The groups of each expression have the letters of ``strptime``'s directives as names; ``n`` is a number.
"""

import re

from dataflow.errors import SettingsError

_OFFSET = r"Z|[+-][0-9]{2}(?::?[0-9]{2})?"
#: A time of RFC 3339. The offset may be missing, ``T`` may be a space, and ``.`` a comma.
RFC3339 = (
    r"(?P<Y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})[T ](?P<H>[0-9]{2}):(?P<M>[0-9]{2}):(?P<S>[0-9]{2})"
    rf"(?:[.,](?P<f>[0-9]+))? ?(?P<z>{_OFFSET})?"
)
#: The number of an epoch. No letter, digit or separator of another kind of time may follow the number.
EPOCH_NUMBER = r"(?P<n>[+-]?[0-9]+(?:\.[0-9]*)?(?:[Ee][+-]?[0-9]+)?)(?![0-9A-Za-z_.:-])"

#: The English names of the months, in lower case.
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DIRECTIVES = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "m": "1[0-2]|0?[1-9]",
    "B": "|".join(MONTHS),
    "b": "|".join(name[:3] for name in MONTHS),
    "d": "3[01]|[12][0-9]|0?[1-9]| [1-9]",
    "j": "36[0-6]|3[0-5][0-9]|[12][0-9]{2}|0?[1-9][0-9]|0{0,2}[1-9]",
    "H": "2[0-3]|[01]?[0-9]",
    "I": "1[0-2]|0?[1-9]",
    "p": "AM|PM",
    "M": "[0-5]?[0-9]",
    "S": "60|[0-5]?[0-9]",
    "f": "[0-9]+",
    "A": "|".join(_DAYS),
    "a": "|".join(name[:3] for name in _DAYS),
    "z": _OFFSET,
    "Z": "UTC|GMT",
}
_SYNONYMS = {"%e": "%d", "%h": "%b", "%T": "%H:%M:%S", "%F": "%Y-%m-%d", "%D": "%m/%d/%y"}


def pattern_expression(pattern: str) -> str:
    """The regular expression of a ``strptime`` pattern.

    Raises ``SettingsError`` for an unknown or a repeated directive, and for a pattern without month and day.

    >>> re.fullmatch(pattern_expression("%d.%m.%Y"), "24.12.2026").groupdict()
    {'d': '24', 'm': '12', 'Y': '2026'}
    """
    for short, long in _SYNONYMS.items():
        pattern = pattern.replace(short, long)
    wrong = f"source.ts_format={pattern!r}: "
    found = re.findall("%(.?)", pattern.replace("%%", ""), re.DOTALL)
    for letter in found:
        if letter not in _DIRECTIVES:
            raise SettingsError(f"{wrong}no such directive %{letter}; there are {' '.join(_DIRECTIVES)}")
        if found.count(letter) > 1:
            raise SettingsError(f"{wrong}the directive %{letter} stands there twice; remove one of them")
    if not ("j" in found or ("d" in found and {"m", "b", "B"} & set(found))):
        raise SettingsError(
            f"{wrong}not rfc3339, epoch_s or epoch_ms, and as a strptime pattern it has no day and month"
        )
    expression = ""
    for part in re.findall(r"%.|\s+|[^%\s]+", pattern):
        if part.isspace():
            expression += r"\s+"
        elif part[0] == "%" and part != "%%":
            expression += f"(?P<{part[1]}>{_DIRECTIVES[part[1]]})"
        else:
            expression += re.escape("%" if part == "%%" else part)
    return expression
