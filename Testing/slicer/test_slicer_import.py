"""How the module is found: from the source tree, where only its own folder is searched, and what its import costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import slicer  # noqa: F401  (without it there is nothing to import the module into)

HARNESS = Path(__file__).resolve().parent

CODE = """
import pathlib
import sys
# The library may be installed for development: Slicer would not have it
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
sys.path[:] = [folder for folder in sys.path if not pathlib.Path(folder, "BraTSOSLib").is_dir()]
sys.path[:0] = [{harness!r}]
import slicerharness
slicerharness.start()
import slicer
host = slicerharness.ModuleHost(pathlib.Path({module!r}))
assert host.python.__file__ == {module!r}
import BraTSOSLib
print(BraTSOSLib.__file__)
heavy = {{"torch", "pandas", "matplotlib", "sklearn", "monai", "SimpleITK"}} & set(sys.modules)
assert not heavy, heavy
"""


def test_the_panel_opens_with_the_module_s_folder_alone_on_the_path(module_path, tmp_path):
    code = CODE.format(harness=str(HARNESS), module=str(module_path))
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    library = Path(run.stdout.split()[-1])
    assert library.parent.parent in (module_path.parent, module_path.parent.parent)
