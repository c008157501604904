"""What a user of ``python -m export`` may run into; the text is one line, the exit code 2."""

from dataflow.errors import DriftlineError


class ExportError(DriftlineError):
    """Base of what the export and the sidecar raise on purpose."""


class ModelError(ExportError):
    """The model is unknown, missing, not of a supported kind, or not the one that was pinned."""


class ParityError(ExportError):
    """The exported graph does not agree with the reference; nothing was installed."""


class SidecarError(ExportError):
    """The local server cannot be installed, started, or did not become ready."""
