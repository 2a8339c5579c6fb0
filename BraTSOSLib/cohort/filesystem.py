"""On what kind of file system a folder lies: SQLite's write-ahead log is unsafe on network file systems."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

MOUNT_TABLE = Path("/proc/self/mountinfo")

_NETWORK = {
    "9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "davfs", "drvfs", "fhgfs", "gfs", "gfs2", "glusterfs", "gpfs",
    "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb", "smb2", "smb3", "smbfs", "virtiofs",
    "wekafs", "webdav",
}  # fmt: skip
_LOCAL_FUSE = {"fuse.ext4", "fuse.ntfs", "fuse.ntfs-3g", "fuse.exfat", "fuse.overlayfs", "fuse.fuse-overlayfs"}


def is_network(folder: Path, table: Path = MOUNT_TABLE) -> bool:
    """Return whether ``folder`` lies on a network file system (or on one of FUSE's that may be one).

    Parameters
    ----------
    folder : Path
        Need not exist; its nearest parent that does decides.
    table : Path
        The mount table, in the format of Linux's ``mountinfo``.
    """
    folder = Path(os.path.realpath(folder))
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if sys.platform == "win32":
        return _is_network_on_windows(folder)
    kind = file_system(folder, table)
    return kind in _NETWORK or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE)


def file_system(folder: Path, table: Path = MOUNT_TABLE) -> str:
    """Return the type of the file system that holds ``folder``, as the mount table calls it; "" where unknown."""
    if not table.exists():
        return _file_system_by_mount(folder)
    best, kind = -1, ""
    for line in table.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        # Blanks in a mount point are written as octal escapes
        point = fields[4].encode("utf-8", "surrogateescape").decode("unicode_escape").encode("latin-1")
        mounted = Path(os.fsdecode(point))
        # The last of several mounts on one point is the one that is seen
        if (folder == mounted or mounted in folder.parents) and len(mounted.parts) >= best:
            best, kind = len(mounted.parts), after.split()[0].lower()
    return kind


def _file_system_by_mount(folder: Path) -> str:
    """As ``file_system``, from the output of ``mount`` (macOS, BSD): ``device on /point (type, ...)``."""
    try:
        lines = subprocess.run(["mount"], capture_output=True, text=True, timeout=10, check=False).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return ""
    best, kind = -1, ""
    for line in lines:
        point, _, options = line.partition(" on ")[2].rpartition(" (")
        mounted = Path(point)
        if point and (folder == mounted or mounted in folder.parents) and len(mounted.parts) >= best:
            best, kind = len(mounted.parts), options.split(",")[0].rstrip(")").lower()
    return kind


def _is_network_on_windows(folder: Path) -> bool:
    drive = folder.drive
    if drive.startswith("\\\\"):
        return True
    import ctypes

    remote = 4
    return bool(ctypes.windll.kernel32.GetDriveTypeW(f"{drive}\\") == remote)  # type: ignore[attr-defined]
