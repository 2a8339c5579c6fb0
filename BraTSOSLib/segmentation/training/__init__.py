"""Training any of the networks on labelled cases of one's own."""

from ..torch_needed import require_torch

require_torch()

from .recipe import Recipe  # noqa: E402
from .split import Split  # noqa: E402
from .train import train  # noqa: E402  (the module imports torch)

__all__ = ["Recipe", "Split", "train"]
