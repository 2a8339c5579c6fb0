"""What the library may import, and what importing it costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[2] / "BraTSOSLib"
SOURCES = sorted(LIBRARY.rglob("*.py"))
SLICER_ONLY = {"slicer", "qt", "ctk", "vtk", "SlicerRadiomics", "PythonQt"}
COSTLY = ("torch", "SimpleITK", "pandas", "scipy", "matplotlib", "sklearn", "monai", "jinja2", "typer")


def _imported(source: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def _loaded_after(statement: str) -> set[str]:
    code = f"import sys; sys.path.insert(0, {str(LIBRARY.parent)!r}); {statement}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_there_are_sources_to_look_at():
    assert len(SOURCES) > 20


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(LIBRARY)))
def test_the_library_never_imports_slicer(source):
    assert not _imported(source) & SLICER_ONLY


def test_importing_the_package_needs_numpy_at_most():
    assert not _loaded_after("import BraTSOSLib") & set(COSTLY)


def test_importing_the_reading_of_cases_loads_nothing_costly():
    assert not _loaded_after("from BraTSOSLib import read_case, Clinical, make_phantom, run_case") & set(COSTLY)


def test_predicting_survival_needs_numpy_alone():
    statement = "import BraTSOSLib as b; b.predict_survival({'ET_original_shape_VoxelVolume': 9000.0}, 60.0, 'GTR')"
    assert not _loaded_after(statement) & set(COSTLY)


def test_public_names_are_there():
    import BraTSOSLib

    for name in BraTSOSLib.__all__:
        assert getattr(BraTSOSLib, name) is not None
    with pytest.raises(AttributeError):
        _ = BraTSOSLib.no_such_name
