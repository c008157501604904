"""What a user of ``python -m export`` may run into; the text is one line.

The exit code is 2 for what the user can put right, 1 (``FailedError``) for what a server did not do.
"""

from dataflow.errors import DriftlineError


class ExportError(DriftlineError):
    """Base of what the export and the sidecar raise on purpose."""


class ModelError(ExportError):
    """The model is unknown, missing, not of a supported kind, or not the one that was pinned."""


class ParityError(ExportError):
    """The exported graph does not agree with the reference; nothing was installed."""


class SidecarError(ExportError):
    """The local server cannot be installed, started, or did not become ready."""


class UsageError(ExportError):
    """What was asked for does not exist, or does not fit."""


class FailedError(ExportError):
    """The server is away, did not do what it was asked for, or does not give what it should."""
