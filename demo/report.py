"""The report: the most anomalous events, how many planted ones are among them, and the drift."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from statistics import median

from rich.console import Console
from rich.text import Text

from dataflow.source.demo_log import BURST_LABEL
from demo.scored import SCATTERED, Event, highest, planted

_DRIFT, _OTHER = "new topic", "other"
_HEAD = "time      anomaly  novelty  surge  score  planted"


def show(console: Console, events: Sequence[Event], *, in_stream: Counter[str], top: int) -> None:
    """Prints the report.

    ``in_stream``: how many scattered anomalies and events of a burst were planted. ``top``: how many
    events a list has.
    """
    day = f" of {events[0].ts:%Y-%m-%d} (UTC)" if events else ""
    console.print(f"\nThe {top} events{day} with the highest anomaly\n")
    _show_events(console, highest(events, _anomaly, top))
    console.print(f"\nThe {top} events with the highest score of kmeans\n")
    _show_events(console, highest(events, _score, top))
    _show_found(console, events, in_stream)
    _show_drift(console, [event for event in events if event.drift])


def _anomaly(event: Event) -> float | None:
    return event.evidence.anomaly if event.evidence else None


def _score(event: Event) -> float:
    return event.score


def _novelty(event: Event) -> float | None:
    return event.evidence.novelty if event.evidence else None


#: The columns by which the report ranks events.
_RANKINGS: dict[str, Callable[[Event], float | None]] = {
    "score": _score,
    "novelty": _novelty,
    "anomaly": _anomaly,
}


def _show_events(console: Console, events: Iterable[Event]) -> None:
    console.print(_HEAD, style="bold")
    for event in events:
        found, sentence = " " * 23, None
        if event.evidence:
            anomaly, novelty, surge, sentence = event.evidence
            found = f"{anomaly:7.2f}  {novelty:7.2f}  {surge:5.1f}"
        line = f"{event.ts:%H:%M:%S}  {found}  {event.score:5.2f}  {event.label or ''}"
        console.print(line.rstrip())
        _print_cut(console, event.text)
        if sentence:
            _print_cut(console, sentence, style="dim")


def _print_cut(console: Console, text: str, style: str = "") -> None:
    """Prints an indented text, cut to the width of the terminal."""
    console.print(Text(f"  {text}", style=style), no_wrap=True, overflow="ellipsis")


def _show_found(console: Console, events: Sequence[Event], in_stream: Counter[str]) -> None:
    total = in_stream.total()
    top = {name: Counter(map(_kind, highest(events, value, total))) for name, value in _RANKINGS.items()}
    console.print(
        f"\n{total} events are planted: {in_stream[SCATTERED]} scattered anomalies and a burst of "
        f"{in_stream[BURST_LABEL]} events.\nThe {total} highest events by each column are\n"
    )
    console.print(f"{'':<20}" + "".join(f"{name:>9}" for name in top), style="bold")
    for kind in (SCATTERED, BURST_LABEL, _DRIFT, _OTHER):
        name = f"{kind}, of {in_stream[kind]}" if kind in (SCATTERED, BURST_LABEL) else kind
        console.print(f"{name:<20}" + "".join(f"{kinds[kind]:>9}" for kinds in top.values()))
    shares = [(of[SCATTERED] + of[BURST_LABEL]) / total if total else 0.0 for of in top.values()]
    console.print(f"{f'precision at {total}':<20}" + "".join(f"{share:>9.2f}" for share in shares))
    unknown = [event.label for event in events if event.evidence is None]
    console.print(
        f"\n{len(unknown)} events ({planted(unknown).total()} planted) have no anomaly: "
        "the reference had too few events."
    )


def _kind(event: Event) -> str:
    if event.label:
        return BURST_LABEL if event.label == BURST_LABEL else SCATTERED
    return _DRIFT if event.drift else _OTHER


def _show_drift(console: Console, events: Sequence[Event]) -> None:
    anomalies = defaultdict(list)
    for event in events:
        if event.evidence:
            half_hour = event.ts.replace(minute=event.ts.minute // 30 * 30, second=0, microsecond=0)
            anomalies[half_hour].append(event.evidence.anomaly)
    if anomalies:
        medians = "  ".join(
            f"{start:%H:%M} {median(found):.1f}" for start, found in sorted(anomalies.items())
        )
        console.print(
            f"\n{len(events)} normal events are about a new topic. Median anomaly of these, by half hour:\n"
            f"{medians}"
        )
