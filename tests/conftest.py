"""For all tests."""

import signal

from hypothesis import settings

# A machine that is busy is no failure; what was found in one run is kept for the next.
settings.register_profile("driftline", deadline=None)
settings.load_profile("driftline")

# A shell lets what it runs in the background ignore SIGINT, and so would the processes that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
