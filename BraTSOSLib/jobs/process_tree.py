"""Processes of the operating system: ending one with everything that it started, and asking whether one is alive."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any

_SYNCHRONIZE, _STILL_RUNNING = 0x00100000, 0x102  # of Windows' OpenProcess and WaitForSingleObject


def start_options() -> dict[str, Any]:
    """Keywords of ``subprocess.Popen`` that make ``end_tree`` possible; on Windows also no console window."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def end_tree(process: subprocess.Popen) -> None:
    """End a process started with ``start_options``, and all that it started, at once.

    Ending the process alone is not enough: Slicer's ``PythonSlicer`` is a launcher, and Python is its child.
    """
    if sys.platform == "win32":
        command = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                command, capture_output=True, timeout=5, check=False, creationflags=subprocess.CREATE_NO_WINDOW
            )
    else:
        with suppress(ProcessLookupError, PermissionError):  # everything has gone already
            os.killpg(process.pid, signal.SIGKILL)
    with suppress(OSError):
        process.kill()


def end_own_tree() -> None:
    """End this process and, where it leads a group of its own, all that it started."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(os.getpid())], capture_output=True, check=False)
    elif os.getpgrp() == os.getpid() or os.getpgrp() == os.getppid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def is_alive(number: int) -> bool:
    """Tell whether there is a process of this number."""
    if sys.platform == "win32":
        kernel = ctypes.windll.kernel32
        handle = kernel.OpenProcess(_SYNCHRONIZE, False, number)
        if not handle:
            return False
        try:
            return kernel.WaitForSingleObject(handle, 0) == _STILL_RUNNING
        finally:
            kernel.CloseHandle(handle)
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
