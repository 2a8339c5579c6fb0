"""What runs a stage's network: PyTorch on any device, or OpenVINO on the CPU where it is installed.

An engine maps one window to logits. Both engines compute in float32 on a CPU unless bf16 is asked for, so that their
label maps agree (logits to 1e-4); which one runs is a matter of speed alone.
"""

from __future__ import annotations

import ctypes
import os
import sys
from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BraTSOSError, DependencyError, InputError
from .torch_needed import require_torch

if TYPE_CHECKING:
    import numpy as np

    from .model import Stage

ENGINES = ("auto", "torch", "openvino")
PRECISIONS = ("auto", "float32", "bfloat16")
_GPU_DRIVERS = {"win32": ("nvcuda.dll", "amdhip64.dll"), "linux": ("libcuda.so.1", "libamdhip64.so")}


class DeviceMemoryError(BraTSOSError):
    """The device has too little memory for a window; the caller takes a smaller window or the CPU."""


class Engine(ABC):
    """A network, ready to run on a device.

    Attributes
    ----------
    name : "torch" or "openvino"
    device : "cpu", "cuda", "cuda:N" or "mps": where it runs now
    precision : "float32", "bfloat16" or "float16": what the convolutions compute in
    notes : sentences on what went otherwise than asked for (a fallback to the CPU), for the user
    """

    name: str
    device: str
    precision: str

    def __init__(self) -> None:
        self.notes: list[str] = []

    @abstractmethod
    def __call__(self, part: np.ndarray) -> np.ndarray:
        """Logits float32 (1, outputs, z, y, x) of one window float32 (1, inputs, z, y, x).

        Raises
        ------
        DeviceMemoryError
            If the device's memory does not suffice for a window of this size.
        """


def make_engine(
    stage: Stage,
    device: str = "auto",
    engine: str = "auto",
    *,
    precision: str = "auto",
    threads: int | None = None,
) -> Engine:
    """Make a stage's network ready to run.

    Parameters
    ----------
    stage : the network, its window and what its weights are known by
    device : {"auto", "cpu", "cuda", "cuda:N", "mps"}
    engine : {"auto", "torch", "openvino"}
        "auto" takes OpenVINO where it is installed, the device is the CPU and the network can be converted.
    precision : {"auto", "float32", "bfloat16"}
        "auto" is float32 on the CPU and on MPS, and on CUDA bfloat16 where the card has it, else float16.
    threads : of the CPU; what OMP_NUM_THREADS or ``torch.set_num_threads`` says where None

    Raises
    ------
    InputError
        If a name is unknown, this machine has no such device, or the combination is impossible.
    DependencyError
        If the engine that was asked for is not installed.
    """
    if engine not in ENGINES:
        raise InputError(f"The engine {engine!r} is not known: choose {', '.join(ENGINES[:-1])} or {ENGINES[-1]}.")
    if precision not in PRECISIONS:
        raise InputError(f"The precision {precision!r} is not known: choose auto, float32 or bfloat16.")
    chosen = choose_device(device)
    if engine == "openvino":
        if not has_openvino():
            raise DependencyError("OpenVINO is not installed, which the engine openvino needs: pip install openvino.")
        if chosen != "cpu":
            if device != "auto":
                raise InputError(f"The engine openvino runs on the CPU, not on {device}: choose the device cpu.")
            chosen = "cpu"
    if chosen == "cpu" and (engine == "openvino" or (engine == "auto" and has_openvino())):
        from .openvino_engine import ConversionError, OpenVINOEngine

        try:
            return OpenVINOEngine(stage, precision=precision, threads=threads)
        except ConversionError as error:
            if engine == "openvino":
                raise
            fallback = _torch_engine(stage, chosen, precision, threads)
            fallback.notes.append(str(error))
            return fallback
    return _torch_engine(stage, chosen, precision, threads)


def _torch_engine(stage: Stage, device: str, precision: str, threads: int | None) -> Engine:
    require_torch()
    from .torch_engine import TorchEngine

    return TorchEngine(stage, device, precision=precision, threads=threads)


def has_openvino() -> bool:
    """Whether OpenVINO is installed (it is not imported to find out)."""
    return find_spec("openvino") is not None


def choose_device(name: str) -> str:
    """The device that ``name`` stands for; "auto" takes CUDA, then Apple's MPS, then the CPU.

    PyTorch is imported only where there can be something else than a CPU: importing it takes seconds.

    Raises
    ------
    InputError
        If the name is unknown or this machine has no such device.
    """
    kind, _, index = name.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (index and not (kind == "cuda" and index.isdecimal())):
        raise InputError(f"The device {name!r} is not known: choose auto, cpu, cuda or mps.")
    if kind == "cpu" or (kind == "auto" and not may_have_gpu()):
        return "cpu"
    if find_spec("torch") is None:
        cards, has_mps = 0, False
    else:
        import torch

        cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
        has_mps = torch.backends.mps.is_available()
    if kind == "auto":
        return "cuda" if cards else "mps" if has_mps else "cpu"
    if (kind == "cuda" and int(index or 0) >= cards) or (kind == "mps" and not has_mps):
        raise InputError(f"The device {name!r} was asked for, but this machine has none: choose auto or cpu.")
    return name


def may_have_gpu() -> bool:
    """Whether a driver for a GPU is there, found out without PyTorch; True where that cannot be known."""
    if "torch" in sys.modules or sys.platform not in _GPU_DRIVERS:
        return True
    for driver in _GPU_DRIVERS[sys.platform]:
        try:
            ctypes.CDLL(driver)
        except OSError:
            continue
        return True
    return Path("/dev/kfd").exists()  # AMD's driver, whose library may come with PyTorch


def smaller_windows(window: tuple[int, int, int], multiple: int = 16) -> list[tuple[int, int, int]]:
    """Windows to try in turn where a device's memory is too small: the longest axis halved each time.

    Parameters
    ----------
    window : (z, y, x) that was too large
    multiple : every axis stays a multiple of this, and at least twice it
    """
    windows = []
    sizes = list(window)
    while max(sizes) >= 4 * multiple:
        longest = sizes.index(max(sizes))
        sizes[longest] = sizes[longest] // 2 // multiple * multiple
        windows.append((sizes[0], sizes[1], sizes[2]))
    return windows


def thread_count(threads: int | None) -> int | None:
    """Threads to compute with: as given, as PyTorch is set in this process, as OMP_NUM_THREADS says, or None."""
    if threads is not None:
        if threads < 1:
            raise InputError(f"{threads} threads were asked for: give 1 or more.")
        return threads
    if "torch" in sys.modules:
        import torch

        return torch.get_num_threads()
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(asked) if asked.isdecimal() and int(asked) > 0 else None
