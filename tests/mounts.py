"""Mounts of a test's own, which a common user may have on Linux."""

import shutil
import subprocess

import pytest

APART = ("unshare", "--mount", "--map-root-user")
"""What runs a command in a place of its own for mounts."""


def need() -> None:
    """Skip the test where this system lets nobody mount."""
    command = (*APART, "sh", "-c", "mount -t tmpfs tmpfs /mnt")
    if not shutil.which("unshare") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
