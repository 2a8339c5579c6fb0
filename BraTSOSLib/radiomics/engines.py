"""The two ways to compute features: the library's own code, and pyradiomics where it is installed."""

from __future__ import annotations

from typing import Protocol

from ..errors import InputError
from .job import Job, Task
from .own_engine import OwnEngine

__all__ = ["ENGINES", "Engine", "OwnEngine", "choose_engine"]

ENGINES = ("auto", "bratsos", "pyradiomics")


class Engine(Protocol):
    """Computes features.

    Attributes
    ----------
    name, version : str
    parallel : bool
        Whether its tasks may run side by side in threads.
    """

    name: str
    version: str
    parallel: bool

    def tasks(self, job: Job) -> list[Task]:
        """Return the work that fills ``job.values``."""


def choose_engine(name: str = "auto") -> Engine:
    """Return the engine called ``name``; ``"auto"`` is the library's own, which is complete and the faster one.

    Raises
    ------
    InputError
        If there is no such engine.
    DependencyError
        If pyradiomics is asked for and cannot be imported.
    """
    if name not in ENGINES:
        raise InputError(f"Unknown radiomics engine {name!r}; choose from {', '.join(ENGINES)}.")
    if name != "pyradiomics":
        return OwnEngine()
    from .pyradiomics_engine import PyradiomicsEngine

    return PyradiomicsEngine()
