"""What decides a case's results besides its inputs: the settings and the weights, each known by a hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import Any

from ..errors import InputError

DEFAULT_STAGE = "BraTSOSLib.cohort.stage:run_stage"


@dataclass(frozen=True)
class CohortSettings:
    """Settings that change results; numbers of workers, threads and time limits do not belong here.

    Attributes
    ----------
    device, fast, model, engine, resample
        See ``pipeline.run_case`` and ``case.read_case``.
    stage : str
        ``"package.module:function"``, what a worker does with a case; see ``stage.run_stage``.
    options : dict
        Further options of the stage, JSON-serialisable.
    """

    device: str = "auto"
    fast: bool = False
    model: str | None = None
    engine: str = "auto"
    resample: bool = False
    stage: str = DEFAULT_STAGE
    options: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-serialisable values."""
        return {**asdict(self), "options": dict(self.options)}

    def hash(self) -> str:
        """Return the SHA-256 of the settings, in hexadecimal."""
        return hash_json(self.to_dict())


def hash_json(content: Any) -> str:
    """Return the SHA-256 of JSON-serialisable content, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", errors="surrogateescape")).hexdigest()


def load_stage(name: str) -> Callable[..., Any]:
    """Import a stage by its dotted name.

    Raises
    ------
    InputError
        If there is no such function.
    """
    module, _, function = name.partition(":")
    try:
        stage = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"The stage {name!r} cannot be imported ({error}): name it as package.module:function."
        ) from error
    if not callable(stage):
        raise InputError(f"The stage {name!r} is not a function: name it as package.module:function.")
    return stage  # type: ignore[no-any-return]


def weights_hash(settings: CohortSettings) -> str:
    """Return the hash of the weights that the stage would use: what its module's function ``weights`` says, else "".

    Raises
    ------
    InputError, ModelError
        If a model is named that is not there.
    """
    load_stage(settings.stage)
    weights = getattr(import_module(settings.stage.partition(":")[0]), "weights", None)
    return str(weights(settings.to_dict())) if callable(weights) else ""
