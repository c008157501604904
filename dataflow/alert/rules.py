"""When events belong together."""

from dataclasses import dataclass

from dataflow import settings
from dataflow.clock import micros
from dataflow.settings import Alert


@dataclass(frozen=True)
class Rules:
    """When events belong together. Durations are microseconds of event time.

    ``radius``, ``close_after``, ``cool_down``, ``examples``: settings of ``alert``. ``least``: the
    ``anomaly`` of events that stand out. ``remember``: how long after its end a window may be emitted again,
    or another window with the same events may be emitted.
    """

    radius: float
    close_after: int
    cool_down: int
    examples: int
    least: float
    remember: int


def rules_of(options: Alert, window: settings.Window) -> Rules:
    """The rules that the settings ask for."""
    step = micros(window.step)
    overlap = micros(window.length) if window.kind == "sliding" else 0
    return Rules(
        radius=options.radius,
        close_after=6 * step if options.close_after is None else micros(options.close_after),
        cool_down=24 * step if options.cool_down is None else micros(options.cool_down),
        examples=options.examples,
        least=options.least_anomaly,
        remember=overlap + micros(window.allowed_lateness),
    )


def chance(least: int, expected: float) -> float:
    """The chance that ``least`` events or more come where ``expected`` come on average: Poisson."""
    from scipy.special import gammainc  # noqa: PLC0415  takes a second to import

    return float(gammainc(least, expected))
