"""strptime patterns."""

import pytest

from dataflow.decode.time_patterns import pattern_expression
from dataflow.errors import SettingsError
from tests.support.decoding import at, event, line, run


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("%Y/%m/%d %H:%M", "2026/11/23 11:00", "2026-11-23T11:00:00"),
        ("%d.%m.%y %I:%M:%S %p", "22.11.26 01:02:03 pm", "2026-11-22T13:02:03"),
        ("%I%p %F", "12AM 2026-11-23", "2026-11-23T00:00:00"),
        ("%a %b %e %T %Z %Y", "Sun Nov  1 11:00:00 UTC 2026", "2026-11-01T11:00:00"),
        ("%A %d %B %Y %T.%f%z", "Monday 23 November 2026 11:00:00.1234569+01", "2026-11-23T10:00:00.123456"),
        ("%Y %j %H%%", "2024 366 11%", "2024-12-31T11:00:00"),
        ("[%D]", "[11/23/26]", "2026-11-23T00:00:00"),
    ],
)  # fmt: skip
def test_strptime_pattern(pattern: str, text: str, expected: str) -> None:
    assert event(run(line(ts=text), ts_format=pattern))["ts"] == at(expected)


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("iso", "not rfc3339, epoch_s or epoch_ms, and as a strptime pattern it has no day and month"),
        ("%H:%M", "no day and month"),
        ("%Y-%m-%d %Q", "no such directive %Q; there are Y y m"),
        ("%F %Y", "the directive %Y stands there twice; remove one of them"),
    ],
)
def test_a_pattern_that_cannot_give_a_time_is_refused(pattern: str, says: str) -> None:
    with pytest.raises(SettingsError, match=r"^source\.ts_format=") as caught:
        pattern_expression(pattern)
    assert says in str(caught.value)
