"""The settings of the dataflow: one frozen object with one group for each stage.

:func:`load` reads the settings from ``DRIFTLINE_<STAGE>__<FIELD>`` variables, and from the TOML file that
``DRIFTLINE_CONFIG`` names (tables are stages; a variable wins over the file). ``DRIFTLINE_PROFILE`` chooses
the defaults of the settings that neither of them gives. Unknown names are refused.
Only this package reads the environment.
"""

from dataflow.settings.alert import Alert
from dataflow.settings.bytewax import BytewaxRun, bytewax_run
from dataflow.settings.delta import Delta
from dataflow.settings.drift import Drift
from dataflow.settings.embed import Embed
from dataflow.settings.groups import STAGES, Settings, has_budget
from dataflow.settings.kafka import Kafka
from dataflow.settings.load import CONFIG_VARIABLE, PREFIX, changed, load, load_log
from dataflow.settings.log import Log
from dataflow.settings.profiles import PROFILES
from dataflow.settings.provenance import Provenance, differences, of_metadata, provenance, to_metadata
from dataflow.settings.registry import Registry
from dataflow.settings.score import Score
from dataflow.settings.sink import Sink
from dataflow.settings.source import Source
from dataflow.settings.values import duration
from dataflow.settings.webhook import Webhook, secrets_of
from dataflow.settings.window import MOST_WINDOWS, Window

__all__ = [
    "CONFIG_VARIABLE",
    "MOST_WINDOWS",
    "PREFIX",
    "PROFILES",
    "STAGES",
    "Alert",
    "BytewaxRun",
    "Delta",
    "Drift",
    "Embed",
    "Kafka",
    "Log",
    "Provenance",
    "Registry",
    "Score",
    "Settings",
    "Sink",
    "Source",
    "Webhook",
    "Window",
    "bytewax_run",
    "changed",
    "differences",
    "duration",
    "has_budget",
    "load",
    "load_log",
    "of_metadata",
    "provenance",
    "secrets_of",
    "to_metadata",
]
