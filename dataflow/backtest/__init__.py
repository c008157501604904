"""``python -m dataflow.backtest`` decides recorded events again, under other settings and without a model.

::

    recorded rows -> again: window -> score -> alert -> incidents -> comparison -> report
                  -> stored: alert                /

:mod:`~dataflow.backtest.again` replays the embedded events through the graph. If only settings of alerts
differ, :mod:`~dataflow.backtest.stored` decides alerts from the recorded scores, which is faster. Both give
the alerts of the flow. :mod:`~dataflow.backtest.comparison` compares them with those of another run.
"""
