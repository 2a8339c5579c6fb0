"""The Slicer side of BraTSOS: panel, logic, and the way between MRML nodes and the library's data."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

# An installed extension has BraTSOSLib beside this package; a source tree has it one folder up, where Slicer does not
# look. Appended, so that nothing of the source tree can hide a package that is already there.
if importlib.util.find_spec("BraTSOSLib") is None:
    sys.path.append(str(Path(__file__).resolve().parents[2]))
