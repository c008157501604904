"""The settings of the dataflow: one frozen object with one group for each stage.

:func:`load` reads the settings from ``DRIFTLINE_<STAGE>__<FIELD>`` variables, and from the TOML file that
``DRIFTLINE_CONFIG`` names (tables are stages; a variable wins over the file). Unknown names are refused.
Only this package reads the environment.
"""

from dataflow.settings.bytewax import BytewaxRun, bytewax_run
from dataflow.settings.groups import MOST_WINDOWS, Embed, Kafka, Log, Score, Settings, Sink, Source, Window
from dataflow.settings.load import CONFIG_VARIABLE, PREFIX, changed, load, load_log
from dataflow.settings.values import duration

__all__ = [
    "CONFIG_VARIABLE",
    "MOST_WINDOWS",
    "PREFIX",
    "BytewaxRun",
    "Embed",
    "Kafka",
    "Log",
    "Score",
    "Settings",
    "Sink",
    "Source",
    "Window",
    "bytewax_run",
    "changed",
    "duration",
    "load",
    "load_log",
]
