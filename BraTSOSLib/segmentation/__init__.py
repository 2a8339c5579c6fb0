"""From a case to a label map."""

from .result import SegmentationResult
from .segmenter import Segmenter, segment, segment_case

__all__ = ["SegmentationResult", "Segmenter", "segment", "segment_case"]
