"""Counting what a network costs, without computing anything: on PyTorch's meta device, where tensors have no values."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own convention)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from .cost import Cost
from .network import SegmentationNetwork


class _LiveMemory(TorchDispatchMode):
    """Bytes of all tensors that are alive, and the most there were at once; the network's own are not counted."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known = {p.untyped_storage()._cdata for p in (*network.parameters(), *network.buffers())}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for value in result if isinstance(result, list | tuple) else [result]:
            if isinstance(value, Tensor):
                self._count(value.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


@contextmanager
def _attention_without_scores(products: list[int]) -> Iterator[None]:
    """Self-attention as its fused kernels do it: the scores of all pairs of tokens are never in memory at once.

    Collects the multiplications of the two products, which the counter then does not see.
    """
    functional: Any = F
    original = functional.scaled_dot_product_attention

    def fused(q: Tensor, k: Tensor, v: Tensor, **_: Any) -> Tensor:
        products.append(2 * q.numel() * k.shape[-2])
        return q + k + v

    functional.scaled_dot_product_attention = fused
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = original


def measure(build: Callable[[], SegmentationNetwork], window: Sequence[int]) -> Cost:
    """What the network that ``build`` returns costs for one input (1, in_channels, *window) in float32.

    Multiply-accumulates are those of convolutions, linear layers and the two products of attention. Memory is what
    the network's tensors take; a library's own working space comes on top.
    """
    with torch.device("meta"):
        network = build()
    x = torch.empty(1, network.in_channels, *window, device="meta")
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    products: list[int] = []
    with _attention_without_scores(products):
        network.eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter, _LiveMemory(network) as inference:
            network(x)
        macs = counter.get_total_flops() // 2 + sum(products)
        network.train()
        with _LiveMemory(network) as training:
            loss = torch.stack([logits.sum() for logits in network.forward_supervised(x).values()]).sum()
            loss.backward()  # type: ignore[no-untyped-call]
    return Cost(
        parameters=sum(p.numel() for p in network.parameters()),
        gmac=round(macs / 1e9, 2),
        inference_mb=round((weights + x.nbytes + inference.most) / 1e6),
        training_mb=round((weights + x.nbytes + training.most) / 1e6),
    )
