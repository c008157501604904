"""What is logged while Bytewax loads a large store."""

import logging
import threading

import pytest

from dataflow.recovery.resume_log import ResumeLog


def test_lines_come_until_the_state_is_loaded(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dataflow")
    seen = threading.Event()
    caplog.handler.addFilter(lambda record: seen.set() or True)  # type: ignore[func-returns-value]
    resume = ResumeLog(lambda: (1, 2), interval_seconds=0.001)
    resume.start(900)
    assert seen.wait(60)
    resume.over()
    resume.over()
    assert "loading 900 states" in caplog.messages[0]
    assert [message for message in caplog.messages if message.startswith("the state is loaded")] == [
        caplog.messages[-1]
    ]


def test_a_new_store_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dataflow")
    resume = ResumeLog(lambda: (1, 2), interval_seconds=0.001)
    resume.start(0)
    resume.over()
    assert not caplog.messages
