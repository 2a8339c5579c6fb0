"""Checks the extension as the ExtensionsIndex does, as far as that needs no network.

Prints one line for each rule, and exits with 1 if one is broken::

    python Testing/cmake/check_extension.py
"""

from __future__ import annotations

import ast
import json
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LARGEST_CLONE = 100_000
"""KiB, the whole history included."""

FIELDS = {
    "$schema": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "category": str,
    "scm_revision": str,
    "scm_url": str,
    "tier": int,
}
AT_FILE_SCOPE = {"slicer", "qt", "ctk", "vtk", "numpy", "scipy", "SimpleITK"}
"""What Slicer brings along: a module may import it where it is loaded; anything else only where it is used."""

_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8")

Check = Callable[[], "str | None"]
CHECKS: dict[str, Check] = {}
"""Rule to the function that checks it; that returns what is wrong, or None."""


def rule(text: str) -> Callable[[Check], Check]:
    """Register a check under the rule that it holds."""

    def register(check: Check) -> Check:
        CHECKS[text] = check
        return check

    return register


def _read(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def _entry() -> dict:
    return json.loads(_read("BraTSOS.json"))


def project() -> str | None:
    """Return the name in ``project()``."""
    match = re.search(r"^project\((\w+)\)$", _read("CMakeLists.txt"), re.MULTILINE)
    return match[1] if match else None


def metadata(name: str) -> str | None:
    """Return the value of ``set(EXTENSION_<name> "...")``, which the index reads from one line without blanks."""
    match = re.search(rf'^set\(EXTENSION_{name} "([^"\n]+)"\)$', _read("CMakeLists.txt"), re.MULTILINE)
    return match[1] if match else None


@rule("the description file has the schema's fields and no others")
def _fields() -> str | None:
    entry = _entry()
    wrong = [name for name, kind in FIELDS.items() if not isinstance(entry.get(name), kind)]
    unknown = sorted(set(entry) - set(FIELDS))
    if "slicer-extension-catalog-entry-schema-v1.0." not in entry.get("$schema", ""):
        wrong.append("$schema")
    return f"{wrong} are missing or wrong, {unknown} unknown" if wrong or unknown else None


@rule("the description file, the project and the module bear one name, which does not begin with Slicer")
def _name() -> str | None:
    names = {project(), *(path.stem for path in REPOSITORY.glob("*.json"))}
    modules = [path.stem for path in (REPOSITORY / "BraTSOS").glob("*.py")]
    if len(names) != 1 or modules != [*names]:
        return f"{names} and {modules}"
    return "it begins with Slicer" if str(project()).lower().startswith("slicer") else None


@rule("the repository is public by https and its name begins with Slicer")
def _repository() -> str | None:
    url = _entry()["scm_url"]
    return None if re.fullmatch(r"https://github\.com/[^/]+/Slicer[^/]+\.git", url) else url


@rule("the category is the same in both places and one of the index's")
def _category() -> str | None:
    known = {"Segmentation", "Neuroimaging", "Quantification", "Informatics", "Radiotherapy"}
    found = {_entry()["category"], metadata("CATEGORY")}
    return None if len(found) == 1 and found <= known else str(found)


@rule("the dependencies are the same in both places")
def _dependencies() -> str | None:
    listed, set_ = _entry()["build_dependencies"], (metadata("DEPENDS") or "").split()
    return None if listed == set_ else f"{listed} and {set_}"


@rule("home page, contributors and a description of one sentence or more are set on one line each")
def _metadata() -> str | None:
    values = {name: metadata(name) for name in ("HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION")}
    missing = [name for name, value in values.items() if not value]
    return str(missing) if missing or not str(values["DESCRIPTION"]).endswith(".") else None


@rule("icon and screenshots are URLs of pictures that are in the repository")
def _pictures() -> str | None:
    for name in ("ICONURL", "SCREENSHOTURLS"):
        for url in (metadata(name) or "none").split():
            path = REPOSITORY / url.split("/main/")[-1]
            if not url.startswith("https://raw.githubusercontent.com/") or not path.is_file():
                return url
            if not path.read_bytes().startswith(_PICTURES):
                return f"{path.name} is no picture"
    return None


@rule("the icon has 128 x 128 pixels")
def _icon() -> str | None:
    size = struct.unpack(">II", (REPOSITORY / "Resources" / "Icons" / "BraTSOS.png").read_bytes()[16:24])
    return None if size == (128, 128) else str(size)


@rule("lines end in LF")
def _lines() -> str | None:
    names = ("CMakeLists.txt", "BraTSOS.json", "Resources/UI/BraTSOS.ui", "BraTSOS/CMakeLists.txt")
    files = [*map(REPOSITORY.joinpath, names), *(REPOSITORY / "BraTSOS").rglob("*.py")]
    wrong = [path.name for path in files if b"\r" in path.read_bytes()]
    return str(wrong) if wrong else None


@rule("the licence is where the index looks")
def _licence() -> str | None:
    names = ("LICENSE", "LICENSE.txt", "COPYING")
    return None if any((REPOSITORY / name).is_file() for name in names) else "it is missing"


@rule("the README has a picture, and says how to cite and that it is for research only")
def _readme() -> str | None:
    text = _read("README.md")
    lacking = [what for what in ("![", "cit", "research") if what not in text.lower()]
    return str(lacking) if lacking else None


@rule("importing the module imports nothing but the standard library and what Slicer brings along")
def _imports() -> str | None:
    own = {"BraTSOSLib", "BraTSOSModule", "__future__"}
    for path in (REPOSITORY / "BraTSOS").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            foreign = {name.split(".")[0] for name in names} - own - AT_FILE_SCOPE - set(sys.stdlib_module_names)
            if foreign:
                return f"{path.name} imports {', '.join(sorted(foreign))}"
    return None


@rule("nothing is done when the module is imported but defining things, and nothing is installed")
def _import_does_nothing() -> str | None:
    for path in (REPOSITORY / "BraTSOS").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            called = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
            if called or isinstance(node, ast.For | ast.While | ast.With):
                return f"{path.name}, line {node.lineno}"
    return None


@rule("PyTorch is installed by its extension alone, and nothing is sent or fetched over the network")
def _network() -> str | None:
    sources = [*(REPOSITORY / "BraTSOS").rglob("*.py"), *(REPOSITORY / "BraTSOSLib").rglob("*.py")]
    words = re.compile(r"pip_install\([^)]*torch|\b(?:urllib\.request|http\.client|requests)\b|import requests")
    wrong = [path.name for path in sources if words.search(path.read_text(encoding="utf-8"))]
    return str(wrong) if wrong else None


@rule("the clone is not larger than 100 MB, with its whole history")
def _size() -> str | None:
    if not (REPOSITORY / ".git").exists():
        return None
    run = ["git", "-C", str(REPOSITORY)]
    counted = subprocess.run([*run, "count-objects", "-v"], capture_output=True, text=True, check=True).stdout
    counts = dict(line.split(": ") for line in counted.splitlines())
    listed = subprocess.run([*run, "ls-files", "-z"], capture_output=True, text=True, check=True).stdout.split("\0")
    files = [REPOSITORY / name for name in listed if name and (REPOSITORY / name).is_file()]
    kib = int(counts["size"]) + int(counts["size-pack"]) + sum(path.stat().st_size for path in files) // 1024
    return f"{kib} KiB" if kib > LARGEST_CLONE else None


def main() -> int:
    """Check every rule; return the exit code."""
    broken = 0
    for text, check in CHECKS.items():
        found = check()
        broken += found is not None
        print(f"{'ok   ' if found is None else 'FAIL '} {text}{'' if found is None else ': ' + found}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
