"""What Driftline is measured against: Spark, other engines, other servers, other detectors.

Each peer has an environment of its own, see :mod:`benchmarks.peers.environments`, and a program in
``programs/`` that runs there.
"""
