"""How much of the test of a property is measured for coverage.

The tracer of coverage nearly doubles the CPU time of a test. The later examples of a property reach few lines
that the first ones did not reach, so only the first ones are traced.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from coverage import Coverage

#: So many examples of a property are traced.
EXAMPLES = 10


@contextmanager
def first_examples_traced(handle: Any) -> Iterator[None]:
    """Stop the measurement after :data:`EXAMPLES` examples, and start it again at the end.

    ``handle``: the attribute ``hypothesis`` of the test. Hypothesis calls its ``inner_test`` with each
    example.
    """
    coverage = Coverage.current()
    if coverage is None:
        yield
        return
    inner: Callable[..., Any] = handle.inner_test
    calls = 0

    @wraps(inner)  # what Hypothesis draws in CI depends on the source of the test
    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == EXAMPLES + 1:
            coverage.stop()
        return inner(*arguments, **named)

    handle.inner_test = counted
    try:
        yield
    finally:
        handle.inner_test = inner
        if calls > EXAMPLES:
            coverage.start()
