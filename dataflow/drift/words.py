"""Drift in words."""

from collections.abc import Mapping, Sequence

from dataflow.drift.comparison import Change

#: Clusters that a sentence names.
_MOST = 3
#: Characters of an example.
_LONGEST = 80


def sentence(
    changes: Sequence[Change], examples: Mapping[int, Sequence[str]], *, against: str, level: float
) -> str:
    """What changed, as one sentence.

    ``changes``: the clusters of a comparison, most certain first. ``examples``: texts of a cluster, most
    typical first; two are shown. ``against``: what the window was compared with. ``level``: changes with a
    higher p-value are not certain enough to be named.

    >>> grown = Change(cluster=2, before=0.1, now=0.25, p_value=0.001)
    >>> sentence([grown], {2: ["You won!", "Call now"]}, against="the window before", level=0.05)
    'Compared with the window before, a cluster grew from 10 % to 25 % ("You won!", "Call now").'
    """
    named = [change for change in changes if change.p_value <= level][:_MOST]
    parts = [_part(change, examples.get(change.cluster, ())) for change in named]
    if not parts:
        return f"Compared with {against}, the mean of the texts moved; no single cluster explains the change."
    return f"Compared with {against}, {'; '.join(parts)}."


def _part(change: Change, texts: Sequence[str]) -> str:
    before, now = _percent(change.before), _percent(change.now)
    said = {
        "new": f"a cluster is new, with {now}",
        "gone": f"a cluster is gone, which had {before}",
        "grew": f"a cluster grew from {before} to {now}",
        "faded": f"a cluster faded from {before} to {now}",
    }[change.kind]
    shown = ", ".join(f'"{_short(text)}"' for text in texts[:2])
    return f"{said} ({shown})" if shown else said


def _percent(share: float) -> str:
    return f"{100 * share:.{0 if share >= 0.01 else 1}f} %"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
