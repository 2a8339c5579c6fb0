"""From a case to a label map."""

from .segmenter import Segmenter, segment

__all__ = ["Segmenter", "segment"]
