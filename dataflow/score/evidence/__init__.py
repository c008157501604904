"""Evidence: how unusual an event is beside earlier events of its key, and how often a value as high is seen.

The definitions are in :mod:`dataflow.score.evidence.reference`, ``surge`` and ``ranks``. The steps that
compare events with references are described in :mod:`dataflow.score.evidence.messages`.
"""
