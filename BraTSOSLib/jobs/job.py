"""What a child process is to do, and how it travels: ``job.json`` and one ``.npy`` file for each array."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..case import Case, Geometry
from ..errors import InputError

JOB, RESULT, CANCEL = "job.json", "result.pickle", "cancel"
"""Files of a job's folder: what to do, what came out, and the wish to stop, which is a file's mere presence."""


@dataclass(frozen=True)
class Job:
    """One piece of work.

    Attributes
    ----------
    task : str
        A key of ``tasks.TASKS``.
    case : Case, optional
        The scans it is about.
    labels : ndarray (z, y, x), optional
        A label map on the case's grid.
    options : dict
        What else the task wants to know: text, numbers, lists, nothing that JSON cannot hold.
    """

    task: str
    case: Case | None = None
    labels: np.ndarray | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write the job into an empty folder.

        Raises
        ------
        InputError
            If there is no room on the disk.
        """
        content: dict[str, Any] = {"task": self.task, "options": self.options, "parent": os.getpid()}
        arrays = {} if self.labels is None else {"labels": self.labels}
        if self.case is not None:
            arrays |= self.case.volumes
            content["case"] = {
                "name": self.case.name,
                "geometry": asdict(self.case.geometry),
                "modalities": list(self.case.volumes),
                "synthetic": self.case.synthetic,
                "notes": list(self.case.notes),
            }
        try:
            for name, array in arrays.items():
                np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
            (folder / JOB).write_text(json.dumps(content), encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"The scans could not be handed over in the temporary folder ({error.strerror or error}): make room on "
                "that disk, about 200 MB for a case, and try again."
            ) from error

    @classmethod
    def read(cls, folder: Path) -> Job:
        """Read a job from its folder."""
        content = json.loads((folder / JOB).read_text(encoding="utf-8"))
        described, labels = content.get("case"), folder / "labels.npy"
        case = None
        if described:
            grid = {key: tuple(value) for key, value in described["geometry"].items()}
            case = Case(
                name=described["name"],
                volumes={name: np.load(folder / f"{name}.npy") for name in described["modalities"]},
                geometry=Geometry(**grid),
                synthetic=described["synthetic"],
                notes=tuple(described["notes"]),
            )
        return cls(content["task"], case, np.load(labels) if labels.is_file() else None, content["options"])


def parent_of(folder: Path) -> int:
    """Return the process number of who wrote the job."""
    return int(json.loads((folder / JOB).read_text(encoding="utf-8"))["parent"])


def write_result(folder: Path, result: Mapping[str, Any]) -> None:
    """Leave a task's result in its job's folder, whole or not at all.

    Pickled, so that predictions and tables arrive as the objects they are: the folder is private to the user, and who
    reads it has started the process that writes it.
    """
    unfinished = folder / f"{RESULT}.unfinished"
    with unfinished.open("wb") as file:
        pickle.dump(dict(result), file, protocol=pickle.HIGHEST_PROTOCOL)
    unfinished.replace(folder / RESULT)


def read_result(folder: Path) -> dict[str, Any]:
    """Return the result that the child left."""
    with (folder / RESULT).open("rb") as file:
        return pickle.load(file)
