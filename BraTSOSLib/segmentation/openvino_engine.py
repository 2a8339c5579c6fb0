"""OpenVINO as the engine: a stage's network is converted from PyTorch once and kept, compiled, in a cache.

With the cache warm nothing here imports PyTorch, which alone takes longer than the network on a laptop.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, ModelError
from .engine_cache import cache_folder, forget_compiled, read_compiled, write_compiled
from .engines import DeviceMemoryError, Engine, thread_count

if TYPE_CHECKING:
    from .model import Stage

_TOLERANCE = 1e-5
"""Largest difference of logits from PyTorch's that is believed, as a share of the largest logit or of 10."""
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class ConversionError(ModelError):
    """OpenVINO cannot run this network as PyTorch does."""


class OpenVINOEngine(Engine):
    """A stage's network in OpenVINO; see ``engines.make_engine`` for the parameters.

    Raises
    ------
    InputError
        If bfloat16 is asked for and the processor does not have it.
    ConversionError
        If the network cannot be converted, or gives other logits afterwards.
    """

    name = "openvino"
    device = "cpu"

    def __init__(self, stage: Stage, *, precision: str = "auto", threads: int | None = None) -> None:
        super().__init__()
        self.precision = "float32" if precision == "auto" else precision
        self._window = stage.window
        self._core = _openvino().Core()
        if self.precision == "bfloat16" and "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise InputError("bfloat16 was asked for, which this processor does not have: choose the precision auto.")
        # Without the precision's hint OpenVINO takes bf16 or f16 where the processor has it
        self._options = {"INFERENCE_PRECISION_HINT": _HINTS[self.precision], "PERFORMANCE_HINT": "LATENCY"}
        count = thread_count(threads)
        if count is not None:
            self._options["INFERENCE_NUM_THREADS"] = str(count)
        self._compiled = self._from_cache(stage) or self._from_torch(stage)

    def __call__(self, part: np.ndarray) -> np.ndarray:
        """See ``Engine``; the window is always the stage's own."""
        if part.shape[2:] != self._window:
            raise ValueError(f"OpenVINO's network takes windows of {self._window}, not {part.shape[2:]}")
        try:
            return np.asarray(self._compiled(np.ascontiguousarray(part))[0], dtype=np.float32)
        except MemoryError as error:
            size = " × ".join(str(n) for n in self._window)
            raise DeviceMemoryError(f"This computer's memory is too small for a window of {size} voxels.") from error

    def _from_cache(self, stage: Stage) -> Any:
        content = read_compiled(self._key(stage))
        if content is None:
            return None
        try:
            return self._core.import_model(content, "CPU", self._options)
        except RuntimeError:  # of a version that this one cannot read, though the names say otherwise
            forget_compiled(self._key(stage))
            return None

    def _from_torch(self, stage: Stage) -> Any:
        compiled = self._convert(stage)
        if not _is_known(stage):
            return compiled
        try:
            exported: io.BytesIO = compiled.export_model()
            write_compiled(self._key(stage), exported.getvalue())
        except (InputError, OSError) as error:
            self.notes.append(
                f"The converted network could not be kept in {cache_folder()}, so each start takes longer ({error})."
            )
        return compiled

    def _convert(self, stage: Stage) -> Any:
        import torch

        network = stage.network.to("cpu")
        rng = np.random.default_rng(0)
        example = torch.from_numpy(rng.standard_normal((1, len(stage.inputs), *stage.window), dtype=np.float32))
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that shapes become constants is meant: the window is fixed
                expected = network(example).float().numpy()
                if not isinstance(network, torch.jit.ScriptModule):
                    network = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
                # Freezing resolves the branches of scripted networks, most of which OpenVINO cannot take
                network = torch.jit.freeze(network)  # type: ignore[no-untyped-call]
                model = _openvino().convert_model(network, example_input=example, input=[tuple(example.shape)])
            compiled = self._core.compile_model(model, "CPU", self._options)
            found = np.asarray(compiled(example.numpy())[0])
        except Exception as error:  # of many kinds, from three libraries; PyTorch takes over or the user is told
            raise ConversionError(f"OpenVINO cannot take this network ({_reason(error)}): PyTorch runs it.") from error
        if self.precision == "float32":
            difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else np.inf
            if not difference <= _TOLERANCE * max(float(np.abs(expected).max()), 10.0):
                raise ConversionError(
                    f"OpenVINO gives other results for this network than PyTorch (by {difference:.2g}): "
                    "PyTorch runs it."
                )
        return compiled

    def _key(self, stage: Stage) -> str:
        """Everything that the compiled network depends on."""
        parts = {
            "weights": stage.identity,
            "shape": [len(stage.inputs), *stage.window],
            "networks": _networks_source(),
            "openvino": _openvino().get_version(),
            "processor": self._core.get_property("CPU", "FULL_DEVICE_NAME"),
            "precision": self.precision,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _openvino() -> Any:
    """The package, without its telemetry.

    It reports to its maker when it is imported, without asking; it works without the package that does so.
    """
    if "openvino" not in sys.modules:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # Python's way to bar an import
    import openvino

    return openvino


def _is_known(stage: Stage) -> bool:
    """Whether the stage's weights have a hash under which something can be kept."""
    return len(stage.identity) == 64


def _reason(error: Exception) -> str:
    """The line of a long message that says most."""
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "No conversion rule" in line), lines[0] if lines else type(error).__name__)


@cache
def _networks_source() -> str:
    """Hash of the code that builds the networks: the same weights in other code are another network."""
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "networks").glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
