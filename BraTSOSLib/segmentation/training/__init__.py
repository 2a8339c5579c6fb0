"""Training the bundled network, or one's own, on a folder of labelled cases."""

from .train import train

__all__ = ["train"]
