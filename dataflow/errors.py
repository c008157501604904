"""The exception tree.

::

    DriftlineError            any error that this package raises on purpose; its text is one line for a user
    ├── SettingsError         a setting is unknown, malformed or contradicts another setting
    ├── SourceError           a source or sink cannot be opened: no such file or topic, no permission
    │   └── UnreachableError  the server of a source or sink does not answer; it may answer later
    ├── ContractError         the model server answers with another model, dimension or type than agreed
    │   └── VersionGoneError  the model server no longer serves the version that was agreed
    ├── DeadLettersError      more records become dead letters than the settings allow; the flow stops
    ├── OutageError           a server stayed unreachable for longer than allowed; a restart resumes
    └── LostRowsError         the state of a window does not hold the rows that were counted; the flow stops

A bad *record* raises no error: it becomes a dead letter (see :mod:`dataflow.decode`).
"""


class DriftlineError(Exception):
    """Base of all errors that this package raises on purpose. ``str(error)`` is one line for a terminal."""


class SettingsError(DriftlineError):
    """A setting is unknown, malformed, or contradicts another setting."""


class SourceError(DriftlineError):
    """A source or a sink cannot be opened."""


class UnreachableError(SourceError):
    """The server of a source or a sink does not answer; it may answer later."""


class ContractError(DriftlineError):
    """The model server does not answer as agreed: it has no such model, or another dimension or type."""


class VersionGoneError(ContractError):
    """The model server no longer serves the version that was agreed; it may serve another version."""


class OutageError(DriftlineError):
    """A server stayed unreachable for longer than the settings allow."""


class DeadLettersError(DriftlineError):
    """More records become dead letters than the settings allow."""


class LostRowsError(DriftlineError):
    """The state does not hold the rows that were counted: a window would be scored without some of its
    events.
    """
