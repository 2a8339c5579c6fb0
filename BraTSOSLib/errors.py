"""The library's one family of exceptions.

Every message is one sentence (or two) that names the input, says what was found and what to do about it, so that the
command line and the Slicer panel can show it to a user as it stands.
"""

from __future__ import annotations


class BraTSOSError(Exception):
    """Base of every error that BraTSOS raises on purpose."""


class InputError(BraTSOSError, ValueError):
    """A scan, label map, table, path or clinical value that cannot be used (exit code 2 on the command line)."""


class ModelError(BraTSOSError):
    """Weights or a model card that cannot be trusted or do not fit (exit code 2 on the command line)."""


class DependencyError(BraTSOSError, ImportError):
    """An optional package that the requested operation needs is not installed."""


class Cancelled(BraTSOSError):
    """The user asked for the work to stop; nothing half-written is left behind."""
