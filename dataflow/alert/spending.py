"""How much of a day's chance of a false alarm each test may spend.

Each test gets a part of ``alpha``, and the parts of a day add up to ``alpha`` at most (alpha spending, by
Bonferroni's inequality). So the chance of any false alarm over a day is at most ``alpha``, as far as p-values
hold at these low levels; on logs they were measured at 0.05 only. A test martingale is the other way to watch
a stream without an end. A test martingale needs p-values that are valid given all earlier ones. Here, tests
share samples: each window is compared with the window before, and the next window with this one. Bonferroni's
inequality holds whatever the tests share. The price is small: a level of 0.0001 in place of 0.05 needs a
change that is about twice as large.
"""

_DAY_US = 86_400_000_000


def level(alpha: float, last_us: int, now_us: int, tests: int) -> float:
    """The level of each of ``tests`` tests that are made at the same time.

    ``alpha``: the chance of any false alarm in a day (UTC), above 0 and below 1. ``last_us``, ``now_us``: the
    ends of the window that was tested before, and of the window that is tested now, microseconds of event
    time. Only the time since midnight counts, so a day spends no time of the day before. A window that ends
    at midnight belongs to the day that ends. The level is 0 if there is no time between the ends.

    >>> level(0.05, 0, 3_600_000_000, tests=2)
    0.0010416666666666667
    """
    midnight = (now_us - 1) // _DAY_US * _DAY_US
    return alpha * max(now_us - max(last_us, midnight), 0) / _DAY_US / tests
