"""Work in a process of its own: the window of an application that asks for it never freezes.

The caller writes a ``Job`` into a temporary folder and starts Python on it (``ChildProcess``); the child
(``worker``) carries it out (``tasks``), says how far it is in JSON lines on standard output, and leaves its result in
the folder. Nothing of this needs more than numpy in the caller's process.
"""

from .job import Job
from .process import ChildProcess, Outcome, WorkerError

__all__ = ["ChildProcess", "Job", "Outcome", "WorkerError"]
