"""Training the bundled network, or one's own, on a folder of labelled cases."""

from ..torch_needed import require_torch

require_torch()

from .train import train  # noqa: E402  (the module imports torch)

__all__ = ["train"]
