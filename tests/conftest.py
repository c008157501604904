"""For all tests."""

from hypothesis import settings

# A machine that is busy is no failure; what was found in one run is kept for the next.
settings.register_profile("driftline", deadline=None)
settings.load_profile("driftline")
