"""Emits the windows of a key group that have ended, and removes the rows of windows that are gone."""

from collections.abc import Iterable, Mapping

from dataflow.clock import NEVER
from dataflow.items.windows import KeyWindow, WindowRef
from dataflow.window.assigner import Pane
from dataflow.window.group import Group, Key
from dataflow.window.key_state import KeyState
from dataflow.window.messages import Gather, Output

#: Windows of some keys: each key, with the id of its window.
_Windows = list[tuple[Key, int]]


def fire(group: Group, moved: Mapping[Key, int], output: Output) -> None:
    """Emit windows and purge rows, now that the watermarks of the scopes ``moved`` are where it says."""
    due: list[tuple[Key, int]] = []
    together: dict[int, _Windows] = {}
    for scope, watermark in moved.items():
        fired = group.fired.get(scope, NEVER)
        if watermark <= fired:
            continue
        group.fired[scope] = watermark
        for key in _due(group, scope, fired, watermark):
            due.append((key, watermark))
            if state := group.keys.get(key):
                for place, window in enumerate(_ended(group, key, state, fired, watermark)):
                    # Keys have equal windows, or sessions of their own.
                    together.setdefault(place if group.assigner.of_events else window, []).append(
                        (key, window)
                    )
    for number in sorted(together):
        _emit(group, together[number], output)
    if due:
        for key, watermark in due:
            _purge(group, key, watermark)
        group.reclaim(output)


def _due(group: Group, scope: Key, fired: int, watermark: int) -> Iterable[Key]:
    """The keys of a scope of which a window may be emitted or gone."""
    if scope is not None:
        return (scope,)
    keys = group.assigner.due(fired, watermark, group.lateness)
    return list(group.keys) if keys is None else list(dict.fromkeys([*keys, *group.revised]))


def _ended(group: Group, key: Key, state: KeyState, fired: int, watermark: int) -> list[int]:
    """The windows of a key to emit, in order of their ends."""
    windows = set(group.assigner.ended(key, state.panes(), fired, watermark))
    windows.update(w for w in state.changed if group.assigner.span(key, w)[1] <= watermark)
    if len(windows) < 2:
        return list(windows)
    return sorted(windows, key=lambda window: group.assigner.span(key, window)[1])


def _emit(group: Group, windows: _Windows, output: Output) -> None:
    """Order that the chunks hand over the rows of windows, at most one window for each key."""
    by_chunk: dict[int, tuple[dict[Key, KeyWindow], dict[Key, int], int]] = {}
    for key, window in windows:
        state = group.keys[key]
        level = state.levels.get(window, 0)
        emitted = _next_emission(group, key, state, window)
        for cell, size in state.of_window(window, level):
            of_keys, levels, rows = by_chunk.get(cell.chunk, ({}, {}, 0))
            of_keys[key] = emitted
            if level:
                levels[key] = level
            by_chunk[cell.chunk] = of_keys, levels, rows + size.rows
    for chunk, (of_keys, levels, rows) in by_chunk.items():
        output.orders.append(
            Gather(
                chunk,
                group.emissions,
                of_keys if group.keyed else of_keys[None],  # type: ignore[arg-type]
                len(by_chunk),
                rows,
                levels,  # type: ignore[arg-type]
                output.arrival_us,
                group.arrivals,
            )
        )
    group.emissions += 1


def _next_emission(group: Group, key: Key, state: KeyState, window: int) -> KeyWindow:
    """The next emission of a window, which is counted as emitted now."""
    revision, late = state.revision.get(window, 0), window in state.changed
    if group.lateness:
        state.revision[window] = revision + 1
    if late:
        del state.changed[window]
        if not state.changed:
            del group.revised[key]
    ref = WindowRef(*group.assigner.span(key, window), revision)
    return KeyWindow(ref, state.seen_in(window) if group.sample else None, late)


def _purge(group: Group, key: Key, watermark: int) -> None:
    """Forget the windows of a key that are gone, and release the rows that only they needed."""
    gone = group.gone(key, watermark)
    if state := group.keys.get(key):
        kept = {pane: group.assigner.kept(key, pane, gone) for pane in {*state.panes(), *state.seen}}
        # Without a window that is gone, the windows that are left may all have a higher sampling level.
        lowest = {pane: group.lowest_level(key, state, pane, gone) for pane in state.panes()}
        unneeded = [cell for cell in state.cells if not kept[cell.pane] or cell.level < lowest[cell.pane]]
        for chunk, rows in state.remove(unneeded):
            group.counts.release(chunk, rows)
        _forget(
            state, {pane for pane in kept if kept[pane]}, {w for windows in kept.values() for w in windows}
        )
        if not state.cells and not state.seen:
            del group.keys[key]
    if key is not None:
        group.assigner.forget(key, watermark, gone)


def _forget(state: KeyState, panes: set[Pane], windows: set[int]) -> None:
    """Forget what is known of windows that are gone; ``panes`` and ``windows`` are those that are not."""
    if state.revision:
        state.revision = {window: n for window, n in state.revision.items() if window in windows}
    if state.levels:
        state.levels = {window: level for window, level in state.levels.items() if window in windows}
    if state.seen:
        state.seen = {pane: n for pane, n in state.seen.items() if pane in panes}
