"""Evidence: how unusual an event is beside earlier events of its key, and how often a value as high is seen.

The definitions are those of :mod:`dataflow.score.evidence.values`.
"""
