"""Replays: dead letters and late events go through the flow again, after a fix, exactly once.

``python -m dataflow.replay`` is the command line. :mod:`dataflow.replay.letters` reads what the sinks wrote,
:mod:`dataflow.replay.check` decodes it with the present settings, and :mod:`dataflow.replay.sending` selects
records and runs the flow over them. :mod:`dataflow.source.dead_letters` is the source of that flow.
"""
