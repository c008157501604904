"""The errors of ``python -m export``. Their texts are for the user: one line, or more if a log is quoted.

The exit code is 1 for ``FailedError``, when a server did not do what it was asked for, and 2 for the other
errors, which the user can correct.
"""

from dataflow.errors import DriftlineError


class ExportError(DriftlineError):
    """The base of all errors that the export and the sidecar raise on purpose."""


class ModelError(ExportError):
    """The model is unknown, missing, of an unsupported kind, or not the pinned one."""


class ParityError(ExportError):
    """The exported graph does not agree with the reference. Nothing was installed."""


class SidecarError(ExportError):
    """The local server cannot be installed or started, or did not become ready."""


class UsageError(ExportError):
    """The user asked for something that does not exist or does not fit."""


class FailedError(ExportError):
    """The server is unreachable, did not do what it was asked for, or does not answer as it should."""
