"""For all tests."""

import logging
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.support.traced import CHILDREN, Measurement

# A busy machine is not a failure: Hypothesis has no deadline here.
settings.register_profile("driftline", deadline=None)
settings.load_profile("driftline")

# A shell starts background processes with SIGINT ignored, and the processes that tests start inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if "PYTEST_XDIST_WORKER" in os.environ:
    # Coverage is that of these processes: to measure those that tests start takes a tenth more CPU time.
    os.environ.pop(CHILDREN, None)
    # The processes of pytest-xdist share the cores. Beside another busy process, threads of BLAS and torch
    # wait for each other at full speed (see dataflow/score/scorers/kmeans.py).
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.support.scheduling import Scheduling  # noqa: PLC0415  only where pytest-xdist is in use

    return Scheduling(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_configure(config: pytest.Config) -> None:
    # All processes of pytest-xdist import the same modules, so one of them traces the imports.
    imports = os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0"
    config.pluginmanager.register(Measurement(imports=imports))


@pytest.fixture(autouse=True)
def _log_levels() -> Iterator[None]:
    """A flow or a doctor that runs in the process of a test sets the level of the log; other tests read the
    log.
    """
    logger = logging.getLogger("dataflow")
    level = logger.level
    yield
    logger.setLevel(level)
