"""Weights from files that nobody here wrote: nothing that a file holds is ever executed.

Pickled checkpoints are read with ``weights_only=True``, whose reader builds tensors and plain containers and refuses
all else; nnU-Net's need a short list of numpy's scalar types beside them. TorchScript is compiled code, which PyTorch
runs; its operations cannot reach Python, but two of them reach files, so archives that use them are refused unread.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import ModelError

if TYPE_CHECKING:
    import torch

_NESTED = ("state_dict", "model_state_dict", "model", "network_weights", "network")
_PREFIXES = ("module.", "_orig_mod.")
"""What ``DataParallel`` and ``torch.compile`` put before each name."""

_LFS_POINTER = b"version https://git-lfs"
"""How the small text file starts that Git LFS leaves where it has not fetched a large one."""

_REACHES_OUT = re.compile(
    r"\b(?:save|from_file|load_tensor|PythonOp|IgnoredPythonOp|__setstate__)\b|torch\.classes|\bops\.(?!prim\.|aten\.)"
)
"""What TorchScript's text says where it reads or writes a file, or calls what PyTorch itself does not bring."""


def read_content(path: Path) -> bytes:
    """The bytes of a file; raises ``ModelError`` where it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"The file {path.name} cannot be read ({error.strerror or error}).") from error
    if content.startswith(_LFS_POINTER):
        raise ModelError(f"The file {path.name} only points to the weights: fetch them first with git lfs pull.")
    return content


def is_torchscript(content: bytes) -> bool:
    """Whether a file is a TorchScript archive rather than a pickled checkpoint."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return any("/code/" in name.lower() for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


def read_checkpoint(content: bytes, name: str) -> dict[str, Any]:
    """A pickled checkpoint's content: tensors and plain values, nothing executed.

    Parameters
    ----------
    content : the file
    name : the file's name, for the messages

    Raises
    ------
    ModelError
        If the file is cut short or damaged, holds objects other than tensors and plain values, or is no table.
    """
    import torch

    try:
        with _numpy_scalars_allowed(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            held = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error) or "Unsupported class" in str(error):
            raise ModelError(
                f"The checkpoint {name} holds Python objects beside its tensors, which may run code and are never "
                f"loaded ({_what(error)}): save its weights as a plain state_dict."
            ) from error
        raise ModelError(f"The checkpoint {name} is damaged or no PyTorch file ({_what(error)}).") from error
    except Exception as error:  # a cut or foreign file surfaces as whatever its reader stumbled over
        raise ModelError(f"The checkpoint {name} is cut short, damaged or no PyTorch file ({_what(error)}).") from error
    if not isinstance(held, dict):
        raise ModelError(f"The checkpoint {name} holds a {type(held).__name__} where a table of weights was expected.")
    return held


def state_of(held: dict[str, Any], name: str) -> dict[str, torch.Tensor]:
    """The weights in a checkpoint, flat or under one of the usual names, without wrappers' prefixes, as float32.

    Raises
    ------
    ModelError
        If no table of tensors is found, or one holds a number that is not finite.
    """
    import torch

    state: Any = held
    for key in _NESTED:
        if isinstance(held.get(key), dict):
            state = held[key]
            break
    if not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        shown = ", ".join(str(key) for key in list(held)[:5]) or "nothing"
        raise ModelError(f"The checkpoint {name} holds no table of weights (it holds {shown}).")
    for prefix in _PREFIXES:
        if all(str(key).startswith(prefix) for key in state):
            state = {key[len(prefix) :]: value for key, value in state.items()}
    for key, value in state.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ModelError(f"The checkpoint {name} holds numbers that are not finite (in {key}): training failed.")
    return {str(key): value.float() if value.is_floating_point() else value for key, value in state.items()}


def check_torchscript(content: bytes, name: str) -> dict[str, Any]:
    """Refuse a TorchScript archive that could do more than compute; return the texts of its extra files by name.

    The archive is read as a zip file; PyTorch does not see it here.

    Raises
    ------
    ModelError
        If it is damaged, or its code reads or writes files.
    """
    extra: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # PyTorch finds entries without regard to case, and of two of one name another one than Python does
            names = [entry.lower() for entry in archive.namelist()]
            if len(set(names)) < len(names):
                raise ModelError(f"The TorchScript file {name} names a part twice and is not loaded.")
            for entry in archive.namelist():
                if entry.lower().endswith(".py"):
                    found = _REACHES_OUT.search(archive.read(entry).decode("utf-8", "replace"))
                    if found:
                        raise ModelError(
                            f"The TorchScript file {name} does more than compute (its code has {found.group()!r}) and "
                            "is not loaded: import the bundle's model.pt instead."
                        )
                elif "/extra/" in entry:
                    extra[entry.split("/extra/")[-1]] = archive.read(entry).decode("utf-8", "replace")
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"The TorchScript file {name} is cut short or damaged ({_what(error)}).") from error
    return extra


@contextlib.contextmanager
def _numpy_scalars_allowed() -> Iterator[None]:
    """Let the reader build numpy's floating-point scalars, which nnU-Net keeps in its log, and nothing else."""
    import numpy as np
    import torch

    allow = getattr(torch.serialization, "safe_globals", None)
    if allow is None:  # before PyTorch 2.5
        yield
        return
    scalar = getattr(np, "_core", getattr(np, "core", None)).multiarray.scalar  # type: ignore[union-attr]
    allowed = [
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        np.dtype,
        type(np.dtype(np.float64)),
        type(np.dtype(np.float32)),
    ]
    with allow(allowed):
        yield


def _what(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if "Unsupported" in line or "GLOBAL" in line]
    return (named or lines or [type(error).__name__])[0][:160].rstrip(".")
