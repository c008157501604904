"""``tests.support.patient:flow``: the flow of the environment, which may take any time to stop."""

from dataflow import stop
from dataflow.flow import flow

__all__ = ["flow"]

stop.PATIENCE_S = 3600.0
