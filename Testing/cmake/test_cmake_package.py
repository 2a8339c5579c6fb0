"""The extension's package: every file listed, configurable, fit for the ExtensionsIndex where that shows offline."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import check_extension
import list_files
import pytest

REPOSITORY = list_files.REPOSITORY
MODULE = (REPOSITORY / "BraTSOS" / "CMakeLists.txt").read_text(encoding="utf-8")


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


@pytest.mark.parametrize("text", check_extension.CHECKS)
def test_a_rule_of_the_extensions_index(text):
    assert check_extension.CHECKS[text]() is None


def test_a_broken_rule_is_found(tmp_path, monkeypatch, capsys):
    """The script itself: on a folder that is no extension at all every rule that can be is broken."""
    for name in ("CMakeLists.txt", "README.md", "BraTSOS/CMakeLists.txt", "Resources/UI/BraTSOS.ui"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"project(SlicerX)\r\n")
    (tmp_path / "BraTSOS" / "a.py").write_text("import torch\nprint(1)\nslicer.util.pip_install('torch')\n")
    (tmp_path / "Resources" / "Icons").mkdir()
    (tmp_path / "Resources" / "Icons" / "BraTSOS.png").write_bytes(bytes(24))
    entry = {"scm_url": "https://x/y", "category": "Brain", "build_dependencies": ["X"]}
    (tmp_path / "BraTSOS.json").write_text(json.dumps(entry))
    monkeypatch.setattr(check_extension, "REPOSITORY", tmp_path)
    assert check_extension.main() == 1
    said = capsys.readouterr().out
    assert said.count("FAIL") == len(check_extension.CHECKS) - 1  # there is no clone that could be too large
    assert "a.py imports torch" in said
