"""The exception tree.

::

    DriftlineError            every error this package raises on purpose; its text is one line for a user
    ├── SettingsError         a setting is unknown, malformed or contradicts another
    ├── SourceError           a source or sink cannot be opened: no such file, topic, permission
    │   └── UnreachableError  nobody answers there; somebody may, by and by
    ├── ContractError         the model server answers, but not as agreed: model, dimension, type
    │   └── VersionGoneError  the version of the model that was agreed is no longer served
    ├── OutageError           a dependency stayed unreachable longer than allowed; a restart resumes
    └── LostRowsError         the state holds other rows than were counted; the flow must not go on

Bad *data* raises nothing: it becomes a dead letter (see :mod:`dataflow.decode`).
"""


class DriftlineError(Exception):
    """Base of all errors raised on purpose. ``str(error)`` is one line, fit for a terminal."""


class SettingsError(DriftlineError):
    """A setting is unknown, malformed, or contradicts another."""


class SourceError(DriftlineError):
    """A source or a sink cannot be opened."""


class UnreachableError(SourceError):
    """Nobody answers where a source or a sink should be; that may pass."""


class ContractError(DriftlineError):
    """The model server answers, but not as agreed (unknown model, wrong dimension or type)."""


class VersionGoneError(ContractError):
    """The model, or the version of it that was agreed, is no longer served; another may be."""


class OutageError(DriftlineError):
    """A dependency stayed unreachable for longer than the settings allow."""


class LostRowsError(DriftlineError):
    """The state holds other rows than were counted: a window would be scored without some of its events."""
