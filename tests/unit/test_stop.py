"""A stop without a signal; tests/flow/test_stop.py sends signals to processes."""

import signal
import sys
from threading import Thread

import pytest

from dataflow.stop import Signals, Stop

NUMBERS = (signal.SIGTERM, signal.SIGINT)


def test_a_stop_stays_asked() -> None:
    stop = Stop()
    assert not stop.asked()
    stop.ask()
    stop.ask()
    assert stop.asked()


def test_a_process_starts_again_only_if_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda path, arguments: started.append([path, *arguments]))
    monkeypatch.setattr("sys.orig_argv", ["python", "-m", "bytewax.run", "flow"])
    stop = Stop()
    stop.start_again()
    stop.ask_again()
    assert stop.asked()
    stop.start_again()
    assert started == [[sys.executable, sys.executable, "-m", "bytewax.run", "flow"]]
    stop.ask()  # a signal while the flow drains
    stop.start_again()
    stop.ask_again()
    stop.start_again()
    assert len(started) == 1


def test_the_handlers_of_before_are_restored() -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    signals = Signals(Stop())
    try:
        assert all(signal.getsignal(n) is not old for n, old in zip(NUMBERS, before, strict=True))
    finally:
        signals.restore()
    signals.restore()
    assert [signal.getsignal(number) for number in NUMBERS] == before
    assert signal.set_wakeup_fd(wakeup) == wakeup


def test_outside_the_main_thread_no_handler_changes() -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    made: list[Signals] = []
    thread = Thread(target=lambda: made.append(Signals(Stop())))
    thread.start()
    thread.join()
    assert [signal.getsignal(number) for number in NUMBERS] == before
    made[0].running()
    made[0].restore()


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        signals = Signals(Stop())
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signals.restore()
    finally:
        signal.signal(signal.SIGINT, before)
