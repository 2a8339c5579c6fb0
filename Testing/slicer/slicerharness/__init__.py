"""Runs a scripted Slicer module without the Slicer application, for tests.

Real are MRML, its logics and storage (the wheel ``slicer-core``) and the ``.ui`` file; PySide6 stands in for PythonQt,
and small stand-ins for the few CTK and qMRML widgets that the panel uses.
"""

from __future__ import annotations

from .application import SlicerMissing, start
from .modulehost import ModuleHost

__all__ = ["ModuleHost", "SlicerMissing", "start"]
