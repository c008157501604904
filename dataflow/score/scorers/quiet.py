"""Calls scikit-learn many times for small windows."""

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]


class Quiet:
    """Makes scikit-learn work in one thread and without checks of its arguments.

    One thread, because workers already run in parallel. The threads of scikit-learn wait for each other in
    busy loops: beside a busy model server, KMeans took 15 times the CPU for 600 rows. They also add numbers
    up in any order, so scores would differ between runs. No checks, because the embed stage lets no embedding
    through that is not finite.
    """

    def __init__(self) -> None:
        # scikit-learn takes 2 s to import. A flow with another scorer starts without scikit-learn.
        import sklearn  # noqa: PLC0415

        self._configured = sklearn.config_context
        # The controller knows only the libraries that are loaded by now.
        self._threads = ThreadpoolController()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Set it for all calls within, in this thread. To set it takes as long as a small window."""
        unchecked = self._configured(assume_finite=True, skip_parameter_validation=True)
        with self._threads.limit(limits=1), unchecked:
            yield
