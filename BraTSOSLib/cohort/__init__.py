"""A cohort of any size: finding its cases, a durable manifest, engines that work on them, and what they gave together.

Only a coordinator (``coordinator.py``) opens the manifest; workers get one case as a message and report back.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .finding import find_cases
    from .manifest import case_states
    from .run import CohortResult, run_cohort

_HOMES = {"CohortResult": "run", "case_states": "manifest", "find_cases": "finding", "run_cohort": "run"}
__all__ = ["CohortResult", "case_states", "find_cases", "run_cohort"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'BraTSOSLib.cohort' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
