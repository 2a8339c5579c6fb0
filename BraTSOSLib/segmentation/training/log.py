"""What a run leaves to look at: a CSV file, TensorBoard's files where they are asked for, and the time that is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import DependencyError
from .cache import TARGET_REGIONS

NAME = "log.csv"
_COLUMNS = ("step", "minutes", "loss", "rate", *TARGET_REGIONS, "hard")


class TrainingLog:
    """Rows of ``log.csv``: one for each validation, and one for each round of hard mining.

    Parameters
    ----------
    step : rows of later steps, which a killed run wrote after its last checkpoint, are dropped; 0 begins a new file
    tensorboard : write ``tensorboard/`` too

    Raises
    ------
    DependencyError
        If TensorBoard is asked for and not installed.
    """

    def __init__(self, folder: Path, step: int, *, tensorboard: bool = False) -> None:
        self._writer = _tensorboard(folder / "tensorboard", step) if tensorboard else None
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / NAME
        rows = self._path.read_text(encoding="utf-8").splitlines()[1:] if step and self._path.exists() else []
        kept = [row for row in rows if row.split(",")[0].isdecimal() and int(row.split(",")[0]) <= step]
        self._path.write_text("\n".join([",".join(_COLUMNS), *kept]) + "\n", encoding="utf-8")

    def write(self, step: int, **values: Any) -> None:
        """Add a row; columns that are not given stay empty."""
        row = {"step": step, **values}
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(",".join(str(row.get(column, "")) for column in _COLUMNS) + "\n")
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, float(value), step)

    def close(self) -> None:
        """Write out what TensorBoard still holds."""
        if self._writer is not None:
            self._writer.close()


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise DependencyError(
            "TensorBoard is not installed: pip install tensorboard, or leave --tensorboard out."
        ) from error
    return SummaryWriter(str(folder), purge_step=step or None)


def time_left(seconds: float, done: float) -> str:
    """How much longer, from the seconds that the share ``done`` took: ``2 h 05 min left``, ``40 s left``."""
    if done <= 0:
        return "time left unknown"
    left = seconds * max(1 - done, 0.0) / done
    if left < 90:
        return f"{left:.0f} s left"
    minutes = round(left / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min left" if minutes >= 60 else f"{minutes} min left"
