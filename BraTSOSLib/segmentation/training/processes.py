"""Several processes that train one network, each on its own GPU, as ``torchrun`` starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

_PATIENCE = timedelta(hours=12)
"""How long a process waits for the others: the first one may have to prepare all cases, or to validate."""


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this is; one of one without ``torchrun``."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def device(self, device: str) -> str:
        """This process's own GPU, where ``device`` is CUDA."""
        return f"cuda:{self.local_rank}" if self.world > 1 and device == "cuda" else device

    def wait(self) -> None:
        """Wait until every process has come here."""
        if self.world > 1:
            dist.barrier()

    def agree(self, values: list[float], device: torch.device) -> list[float]:
        """The largest of each value over the processes, the same on all."""
        if self.world == 1:
            return values
        tensor = torch.tensor(values, dtype=torch.float64, device=device)
        dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
        return [float(value) for value in tensor.cpu()]

    def share_gradients(self, module: nn.Module) -> nn.Module:
        """``module``, whose gradients are averaged over the processes at each backward pass."""
        if self.world == 1:
            return module
        # frozen encoders, and outputs that a loss leaves out, have parameters without a gradient
        return nn.parallel.DistributedDataParallel(module, find_unused_parameters=True)

    def share_first(self, state: dict[str, Tensor]) -> None:
        """Give every process the first one's tensors, in place."""
        if self.world > 1:
            for value in state.values():
                dist.broadcast(value, 0)

    def gather(self, value: list[Any]) -> list[Any]:
        """The lists of all processes, joined in the order of their ranks."""
        if self.world == 1:
            return value
        parts: list[Any] = [None] * self.world
        dist.all_gather_object(parts, value)
        return [item for part in parts for item in part]


@contextmanager
def join_processes(device: str) -> Iterator[Processes]:
    """Join the processes that ``torchrun`` started; ``Processes()`` where it did not.

    Parameters
    ----------
    device : ``cuda`` to talk through NCCL, anything else for gloo
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Processes()
        return
    processes = Processes(int(os.environ["RANK"]), world, int(os.environ.get("LOCAL_RANK", "0")))
    if device == "cuda":
        torch.cuda.set_device(processes.local_rank)
    dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield processes
    finally:
        dist.destroy_process_group()
