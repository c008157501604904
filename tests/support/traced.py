"""How much of the tests is measured for coverage.

The tracer of coverage takes a quarter of the CPU time of the unit tests. What runs again and again reaches
few lines that the first runs did not reach, so only the first runs are traced.
"""

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import pytest
from coverage import Coverage

#: Processes that find this variable in their environment are measured, too.
CHILDREN = "COVERAGE_PROCESS_CONFIG"
#: So many examples of a property are traced.
EXAMPLES = 10
#: So many sets of parameters of a test are traced.
SETS = 10


class Measurement:
    """A plugin of pytest that stops and starts the measurement of this process, if there is one.

    ``imports``: whether the collection of the tests is traced, which imports all modules.
    """

    def __init__(self, *, imports: bool) -> None:
        self._coverage = Coverage.current()
        self._imports = imports
        self._sets: Counter[str] = Counter()

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        if self._imports:
            return (yield)
        with self._stopped():
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        name = item.nodeid.partition("[")[0]
        self._sets[name] += 1
        if self._sets[name] > SETS:
            with self._stopped():
                return (yield)
        handle = getattr(getattr(item, "obj", None), "hypothesis", None)
        if handle is None:
            return (yield)
        with self._first_examples(handle):
            return (yield)

    @contextmanager
    def _stopped(self) -> Iterator[None]:
        self._stop()
        try:
            yield
        finally:
            self._start()

    @contextmanager
    def _first_examples(self, handle: Any) -> Iterator[None]:
        """``handle``: the attribute ``hypothesis`` of a test. Hypothesis calls its ``inner_test`` with each
        example.
        """
        inner: Callable[..., Any] = handle.inner_test
        calls = 0

        @wraps(inner)  # what Hypothesis draws in CI depends on the source of the test
        def counted(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == EXAMPLES + 1:
                self._stop()
            return inner(*arguments, **named)

        handle.inner_test = counted
        try:
            yield
        finally:
            handle.inner_test = inner
            if calls > EXAMPLES:
                self._start()

    def _stop(self) -> None:
        if self._coverage is not None:
            self._coverage.stop()

    def _start(self) -> None:
        if self._coverage is not None:
            are_measured = CHILDREN in os.environ
            self._coverage.start()  # sets the variable
            if not are_measured:
                os.environ.pop(CHILDREN, None)
