"""The extension's package: every file listed, configurable, fit for the ExtensionsIndex where that shows offline."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
from pathlib import Path

import list_files
import pytest

REPOSITORY = list_files.REPOSITORY
ROOT = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")
MODULE = (REPOSITORY / "BraTSOS" / "CMakeLists.txt").read_text(encoding="utf-8")
ENTRY = json.loads((REPOSITORY / "BraTSOS.json").read_text(encoding="utf-8"))


def test_every_file_of_the_library_and_resources_is_listed():
    listed = list_files.LISTING.read_text(encoding="utf-8")
    assert listed == list_files.listing(), "run python Testing/cmake/list_files.py"


def test_every_file_of_the_module_is_listed():
    listed = re.findall(r"^\s+(\S+\.py)$", MODULE.replace("${MODULE_NAME}", "BraTSOS"), re.MULTILINE)
    found = [name.removeprefix("BraTSOS/") for name in list_files.installed_files("BraTSOS")]
    assert sorted(listed) == sorted(name for name in found if name != "CMakeLists.txt")


def test_no_python_file_but_the_module_lies_where_slicer_looks_for_modules():
    assert [path.name for path in (REPOSITORY / "BraTSOS").glob("*.py")] == ["BraTSOS.py"]


STUB = """
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/empty.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/empty.cmake")
set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/empty.cmake")
function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(M "WITH_GENERIC_TESTS;WITH_SUBDIR" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(M_UNPARSED_ARGUMENTS OR NOT M_NAME)
    message(FATAL_ERROR "wrong arguments: ${M_UNPARSED_ARGUMENTS}")
  endif()
  foreach(name IN LISTS M_SCRIPTS M_RESOURCES)
    if(name MATCHES "^\\\\.\\\\./" OR NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${name}")
      message(FATAL_ERROR "${M_NAME} lists ${name}")
    endif()
    install(FILES ${name} DESTINATION .)
    message(STATUS "packed ${name}")
  endforeach()
endfunction()
function(slicer_add_python_unittest)
  cmake_parse_arguments(T "" "SCRIPT" "" ${ARGN})
  if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${T_SCRIPT}")
    message(FATAL_ERROR "no test ${T_SCRIPT}")
  endif()
endfunction()
"""


def test_the_extension_configures(tmp_path):
    """With a stub of the macros that are used; Slicer's own ones need Slicer."""
    cmake = shutil.which("cmake")
    if cmake is None:
        pytest.skip("cmake is not installed")
    (tmp_path / "SlicerConfig.cmake").write_text(STUB, encoding="utf-8")
    (tmp_path / "empty.cmake").write_text("", encoding="utf-8")
    command = [cmake, "-S", REPOSITORY, "-B", tmp_path / "build", f"-DSlicer_DIR={tmp_path}", "-DBUILD_TESTING=ON"]
    run = subprocess.run([*command, "-Wno-dev"], capture_output=True, text=True, check=False)
    if "No CMAKE_C_COMPILER" in run.stderr or "No CMAKE_CXX_COMPILER" in run.stderr:
        pytest.skip("no C++ compiler is installed")
    assert run.returncode == 0, run.stderr
    packed = re.findall(r"packed (\S+)", run.stdout)
    assert "BraTSOS.py" in packed
    assert "BraTSOSLib/__init__.py" in packed
    assert "Resources/UI/BraTSOS.ui" in packed
    assert len(packed) == len(set(packed))


def metadata(name: str) -> str:
    """Return the value of ``set(EXTENSION_<name> "...")``, which the index demands on one line."""
    match = re.search(rf'^set\(EXTENSION_{name} "([^"\n]+)"\)$', ROOT, re.MULTILINE)
    assert match, f"EXTENSION_{name} is not set on one line"
    return match[1]


def test_the_index_entry_fits_the_project():
    assert re.search(r"^project\(BraTSOS\)$", ROOT, re.MULTILINE)
    assert set(ENTRY) == {
        *("$schema", "build_dependencies", "build_subdirectory", "category", "scm_revision", "scm_url", "tier"),
    }
    assert ENTRY["category"] == metadata("CATEGORY") == "Segmentation"
    assert ENTRY["build_dependencies"] == metadata("DEPENDS").split()
    assert re.fullmatch(r"https://github\.com/[^/]+/Slicer[^/]+\.git", ENTRY["scm_url"])
    assert metadata("DESCRIPTION").endswith(".")


@pytest.mark.parametrize("name", ["ICONURL", "SCREENSHOTURLS"])
def test_the_pictures_of_the_index_are_in_the_repository(name):
    for url in metadata(name).split():
        path = url.split("/SlicerBraTSOS/main/")[1]
        assert url.startswith("https://raw.githubusercontent.com/")
        assert (REPOSITORY / path).read_bytes().startswith(b"\x89PNG")


def test_the_icon_has_the_size_that_the_index_wants():
    header = (REPOSITORY / "Resources" / "Icons" / "BraTSOS.png").read_bytes()[16:24]
    assert struct.unpack(">II", header) == (128, 128)


def test_the_licence_is_where_the_index_looks():
    assert any((REPOSITORY / name).is_file() for name in ("LICENSE", "LICENSE.txt", "COPYING"))


@pytest.mark.parametrize("name", ["CMakeLists.txt", "BraTSOS.json", "BraTSOS/BraTSOS.py", "Resources/UI/BraTSOS.ui"])
def test_lines_end_in_lf(name):
    assert b"\r" not in (REPOSITORY / name).read_bytes()


def test_the_clone_is_small_enough():
    """The ExtensionsIndex refuses more than 100 MB with the whole history."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a clone")
    run = subprocess.run(["git", "count-objects", "-v"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    counts = dict(line.split(": ") for line in run.stdout.splitlines())
    kib = int(counts["size"]) + int(counts["size-pack"])
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    kib += (
        sum(Path(REPOSITORY, n).stat().st_size for n in tracked.stdout.split("\0") if Path(REPOSITORY, n).is_file())
        // 1024
    )
    assert kib < 100_000
