"""What Python packages the library needs in Slicer: which are there, which are missing, and their installation.

Nothing is installed when the module is imported or opened. numpy and SimpleITK are Slicer's own and are held at the
versions that are there: another numpy breaks what was compiled against it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from BraTSOSLib.errors import DependencyError

TORCH = ">=2.2"
HELD = ("numpy", "SimpleITK", "scipy")
"""Slicer's own packages, which an installation must not touch."""


@dataclass(frozen=True)
class Package:
    """One package: its name for pip, its name for import, the version wanted, and whether all works without it."""

    name: str
    module: str
    wanted: str
    optional: bool = False

    @property
    def requirement(self) -> str:
        """What pip is told."""
        return f"{self.name}{self.wanted}"


PACKAGES = (
    Package("torch", "torch", TORCH),
    Package("safetensors", "safetensors", ">=0.4"),
    Package("pandas", "pandas", ">=2.0"),
    Package("matplotlib", "matplotlib", ">=3.8"),
    Package("Jinja2", "jinja2", ">=3.1"),
    Package("openvino", "openvino", ">=2024.4", optional=True),
    Package("numba", "numba", ">=0.60", optional=True),
    Package("PyWavelets", "pywt", ">=1.5", optional=True),
    Package("PyYAML", "yaml", ">=6", optional=True),
)
"""Needed by segmentation (torch, safetensors), tables (pandas) and reports (matplotlib, Jinja2); the optional ones make
segmentation and textures quicker, wavelets possible, and read parameter files."""


def installedVersion(package: Package) -> str | None:
    """Return the version that is installed, or None; nothing is imported."""
    try:
        if importlib.util.find_spec(package.module) is None:
            return None
    except (ImportError, ValueError, AttributeError):  # half of it has been deleted
        return None
    try:
        return version(package.name)
    except (PackageNotFoundError, TypeError, KeyError):
        return None


def missing() -> list[Package]:
    """Return the packages that are not installed, optional ones included."""
    importlib.invalidate_caches()
    return [package for package in PACKAGES if installedVersion(package) is None]


def install(packages: Sequence[Package]) -> list[Package]:
    """Install packages: PyTorch through the extension that chooses the build for this computer, the rest with pip.

    Returns
    -------
    list of Package
        Optional ones that could not be installed: for a new numpy, for example, there may be no numba yet.

    Raises
    ------
    DependencyError
        If something that is needed cannot be installed; what was installed before it stays.
    """
    if any(package.name == "torch" for package in packages):
        _installTorch()
    needed = [package.requirement for package in packages if package.name != "torch" and not package.optional]
    if needed:
        _pipInstall(needed)
    refused = []
    for package in packages:
        if package.optional:
            try:
                _pipInstall([package.requirement])
            except DependencyError:
                refused.append(package)
    importlib.invalidate_caches()
    return refused


def _installTorch() -> None:
    try:
        import PyTorchUtils
    except ImportError as error:
        raise DependencyError(
            _(
                "PyTorch is installed by the extension PyTorch: install that in the Extensions Manager, restart "
                "Slicer, and try again."
            )
        ) from error
    try:
        torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=False, torchVersionRequirement=TORCH)
    except Exception as error:  # pip's, light-the-torch's or the half-deleted package's own
        raise _failed("PyTorch", error) from error
    if torch is None:
        raise _failed("PyTorch", None)


def _pipInstall(requirements: list[str]) -> None:
    constraints = _constraints()
    try:
        if hasattr(slicer, "packaging") and hasattr(slicer.packaging, "pip_ensure"):  # Slicer 5.12 and later
            slicer.packaging.pip_ensure(
                requirements,
                constraints=constraints,
                prompt_install=False,
                requester="BraTSOS",
                skip_in_testing=False,
            )
        else:
            # A list: blanks in the folder's name would end an argument
            slicer.util.pip_install([*requirements, "-c", str(constraints)])
    except Exception as error:  # pip's exit code, a refused restart
        raise _failed(", ".join(requirements), error) from error


def _constraints() -> Path:
    """Write a file that holds Slicer's own packages at the versions that are there."""
    lines = []
    for name in HELD:
        try:
            lines.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            continue
    path = Path(slicer.app.temporaryPath, "BraTSOS-constraints.txt")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _failed(what: str, error: Exception | None) -> DependencyError:
    reason = f" ({type(error).__name__})" if error is not None else ""
    return DependencyError(
        _(
            "{packages} could not be installed{reason}: check the connection to the internet, or install offline as "
            "the documentation describes; the Python console shows what pip said."
        ).format(packages=what, reason=reason)
    )
