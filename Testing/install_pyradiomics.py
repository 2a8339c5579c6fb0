"""Install pyradiomics 3.0.1 into the running Python, so that the tests can compare with it: an optional extra.

PyPI has no wheel of it for Python 3.10 and later, and its source needs numpy in the environment that builds it, hence
``--no-build-isolation``, and a C compiler. Python 3.12 removed what its build script imports. A failure is therefore no
error: the reason is printed, the tests that need pyradiomics skip, and the library uses its own engine. With
``--required`` a failure exits with status 1.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = "pyradiomics==3.0.1"
# Newer setuptools builds it too at the time of writing; this one is known to where a newer one no longer does.
OLDER_SETUPTOOLS = "setuptools<81"


def pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pip of this Python; numpy stays at the version that is installed."""
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        installed = importlib.util.find_spec("numpy") is not None
        constraints.write_text(f"numpy=={importlib.metadata.version('numpy')}\n" if installed else "")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--constraint", str(constraints), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)


def importable() -> bool:
    """Say whether another Python process can import pyradiomics with its compiled parts."""
    code = "from radiomics.shape import RadiomicsShape; from radiomics.firstorder import RadiomicsFirstOrder"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def install() -> str | None:
    """Install pyradiomics if it is missing; return why that failed, or None."""
    if importable():
        return None
    if sys.version_info >= (3, 12):
        return f"pyradiomics 3.0.1 does not build on Python {sys.version_info[0]}.{sys.version_info[1]}"
    run = pip("setuptools", "wheel", "numpy")
    if run.returncode == 0:
        run = pip("--no-build-isolation", PACKAGE)
    if run.returncode != 0 and pip(OLDER_SETUPTOOLS).returncode == 0:
        run = pip("--no-build-isolation", PACKAGE)
    if run.returncode != 0:
        return f"pip could not build it ({_reason(run.stderr)})"
    return None if importable() else "it was installed but cannot be imported"


def _reason(log: str) -> str:
    """Return the line of pip's log that says most: the compiler's or the build's own error, not pip's frame of it."""
    lines = [line.strip(" │╰─>×") for line in log.splitlines()]
    errors = [line for line in lines if "error" in line.lower() and "subprocess" not in line]
    return next(iter(errors or [line for line in lines if line]), "no message")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--required", action="store_true", help="exit with status 1 if it cannot be installed")
    arguments = parser.parse_args()
    reason = install()
    if reason is None:
        print("pyradiomics is installed.")
        return 0
    print(f"pyradiomics was not installed: {reason}. The tests that compare with it will skip.", file=sys.stderr)
    return 1 if arguments.required else 0


if __name__ == "__main__":
    sys.exit(main())
