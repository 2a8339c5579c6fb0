"""PyTorch as the engine: channels last, half precision on CUDA, the CPU where MPS lacks an operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ..errors import InputError
from .engines import DeviceMemoryError, Engine, thread_count

if TYPE_CHECKING:
    from .model import Stage

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class TorchEngine(Engine):
    """A stage's network in PyTorch; see ``engines.make_engine`` for the parameters."""

    name = "torch"

    def __init__(
        self, stage: Stage, device: str = "cpu", *, precision: str = "auto", threads: int | None = None
    ) -> None:
        super().__init__()
        count = thread_count(threads)
        if threads is not None and count is not None:
            torch.set_num_threads(count)
        self.precision = _precision(device, precision)
        self._network = stage.network
        self._move(device)

    def __call__(self, part: np.ndarray) -> np.ndarray:
        """See ``Engine``."""
        try:
            return self._forward(part)
        except NotImplementedError as error:
            if self.device != "mps":
                raise
            # The names of operations that MPS lacks come and go with PyTorch's versions: try, do not ask
            reason = str(error).split(". ")[0]
            self.notes.append(f"This GPU (MPS) lacks an operation of the network, which now runs on the CPU: {reason}.")
            self._move("cpu")
            return self._forward(part)

    def _move(self, device: str) -> None:
        # Channels last is what the convolutions of CPUs and of NVIDIA cards are quick with
        self.device = device
        self._layout = torch.contiguous_format if device == "mps" else torch.channels_last_3d
        self._network = self._network.to(device, memory_format=self._layout)  # type: ignore[call-overload]

    def _forward(self, part: np.ndarray) -> np.ndarray:
        try:
            with torch.inference_mode():
                tensor = torch.from_numpy(np.ascontiguousarray(part)).to(self.device, memory_format=self._layout)
                half = self.precision != "float32"
                with torch.autocast(tensor.device.type, dtype=_DTYPES[self.precision], enabled=half):
                    logits = self._network(tensor)
                return logits.float().contiguous().cpu().numpy()
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            size = " × ".join(str(n) for n in part.shape[2:])
            message = f"The memory of the device {self.device} is too small for a window of {size} voxels."
        # Outside the handler, where the error's traceback no longer holds the tensors that filled the memory
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()
        raise DeviceMemoryError(message)


def _precision(device: str, asked: str) -> str:
    if not device.startswith("cuda"):
        if asked == "bfloat16" and device == "mps":
            raise InputError("bfloat16 was asked for, which is not supported on MPS: choose the precision auto.")
        return "float32" if asked == "auto" else asked
    native = torch.cuda.get_device_capability(device)[0] >= 8  # older cards only emulate bfloat16, slowly
    if asked == "bfloat16" and not native:
        raise InputError("bfloat16 was asked for, which this GPU does not have: choose the precision auto.")
    return asked if asked != "auto" else "bfloat16" if native else "float16"


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Whether PyTorch ran out of memory; on the CPU and on MPS it says so in words only."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    text = str(error)
    return any(words in text for words in ("out of memory", "can't allocate memory", "not enough memory"))
