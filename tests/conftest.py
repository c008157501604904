"""For all tests."""

import os
import signal

from hypothesis import settings

# A busy machine is not a failure: Hypothesis has no deadline here.
settings.register_profile("driftline", deadline=None)
settings.load_profile("driftline")

# A shell starts background processes with SIGINT ignored, and the processes that tests start inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers share the cores: beside another busy process, threads of BLAS and torch wait for each other
    # at full speed (see dataflow/score/scorers/kmeans.py).
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
