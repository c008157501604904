"""What Driftline is measured against: Spark, other engines, other servers, other detectors.

There is a package for each. A peer has an environment of its own, see :mod:`benchmarks.peers.environments`.
What runs there is in ``programs`` of the package. :mod:`benchmarks.peers.streams` and
:mod:`benchmarks.peers.processes` are for all.
"""
