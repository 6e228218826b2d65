"""Where a database lies: on a disk of this machine, or on another's, where SQLite's locks cannot be relied on."""

import re
from pathlib import Path, PurePosixPath

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = frozenset({
    "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse.ceph", "fuse.davfs2", "fuse.gcsfuse",
    "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.smbnetfs", "fuse.sshfs", "glusterfs", "gpfs", "lustre",
    "ncpfs", "nfs", "nfs4", "orangefs", "smb", "smb2", "smb3", "smbfs",
})  # fmt: skip


def network_of(path: Path, mounts: str) -> str | None:
    """Return the kind of network file system that an absolute path lies on; None: it lies on none.

    `mounts` is the mount table as /proc/self/mountinfo shows it: of the mounts that hold the path the deepest counts,
    and of several at one place the last.
    """
    place, kind, depth = PurePosixPath(path), "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        if len(before.split()) < 5 or not after:
            continue
        point = PurePosixPath(_plain(before.split()[4]))
        if place.is_relative_to(point) and len(point.parts) >= depth:
            kind, depth = after.split()[0], len(point.parts)
    return kind if kind in NETWORK else None


def mount_table() -> str:
    """Return this machine's mount table; empty where there is none to read, as outside of Linux."""
    try:
        return MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def _plain(point: str) -> str:
    """Undo the octal escapes of spaces and the like."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point)
