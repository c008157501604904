"""Other stream engines and Driftline.

``python -m benchmarks.peers.engines`` measures how fast they make windows, and
``python -m benchmarks.peers.engines.behaviour`` shows what they do with disorder, silence and restarts.
"""
