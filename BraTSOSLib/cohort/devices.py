"""Sharing a machine's cores and GPUs among workers."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

from ..errors import InputError

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)
"""PyTorch takes the first one, and the segmentation's OpenVINO engine too."""


@dataclass(frozen=True)
class Share:
    """What each of a number of workers gets.

    Attributes
    ----------
    threads : int
    gpus : tuple of str
        One for each worker, as ``CUDA_VISIBLE_DEVICES`` takes it; empty where no GPU is used.
    workers : int
    note : str or None
        What the user should know.
    """

    workers: int
    threads: int
    gpus: tuple[str, ...] = ()
    note: str | None = None

    def environment(self, index: int) -> dict[str, str]:
        """Return the environment variables of worker ``index``."""
        variables = dict.fromkeys(_THREAD_VARIABLES, str(self.threads))
        if self.gpus:
            variables["CUDA_VISIBLE_DEVICES"] = self.gpus[index % len(self.gpus)]
        return variables


def share_machine(workers: int | None, threads: int | None, device: str, per_gpu: int = 1) -> Share:
    """Decide how many workers there are and what each gets.

    Parameters
    ----------
    workers : int, optional
        One for each GPU, or on a machine without GPU one, unless given.
    threads : int, optional
        Of each worker; the machine's cores shared out evenly unless given.
    device : str
        As in ``pipeline.run_case``; on ``cpu``, ``mps`` and ``cuda:N`` the GPUs are not shared out.
    per_gpu : int
        How many workers may use one GPU.

    Raises
    ------
    InputError
        If a number is below 1.
    """
    for name, value in (("workers", workers), ("threads", threads), ("workers per GPU", per_gpu)):
        if value is not None and value < 1:
            raise InputError(f"{value} {name} were asked for: give 1 or more.")
    gpus = visible_gpus() if device in ("auto", "cuda") else []
    places = len(gpus) * per_gpu
    note = None
    if gpus and workers is not None and workers > places:
        note = (
            f"{places} workers are started instead of {workers}, {per_gpu} for each GPU: --per-gpu allows more, "
            "--device cpu uses none."
        )
    count = (min(workers or places, places)) if gpus else (workers or 1)
    return Share(count, threads or max(cores() // count, 1), tuple(gpus), note)


def cores() -> int:
    """Return how many processor cores this process may use."""
    try:
        available = len(os.sched_getaffinity(0))
    except AttributeError:
        available = os.cpu_count() or 1
    return max(min(available, _cgroup_cores() or available), 1)


def _cgroup_cores() -> int | None:
    """Return the number of cores that a container is limited to; None where there is no limit."""
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:
            quota, period = file.read().split()
        return None if quota == "max" else max(int(quota) // int(period), 1)
    except (OSError, ValueError):
        return None


def visible_gpus() -> list[str]:
    """Return the NVIDIA GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them, without PyTorch."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip() not in ("", "-1")]
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    try:
        done = subprocess.run([command, "-L"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(index) for index, line in enumerate(done.stdout.splitlines()) if line.startswith("GPU ")]
