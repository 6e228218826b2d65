"""Where a database lies, told from mount tables as Linux shows them."""

from pathlib import Path

import pytest

from viewfinder.errors import StoreError
from viewfinder.store import open_database
from viewfinder.store.place import network_of

TABLE = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:30 / /home rw,relatime shared:2 master:1 - nfs4 server:/home rw,vers=4.2
23 22 8:2 / /home/me/scratch rw - xfs /dev/sdb1 rw
24 21 0:31 / /mnt/team\\040drive rw - cifs //nas/team rw
25 21 0:32 / /mnt/far rw - fuse.sshfs me@far: rw
26 21 0:33 / /mnt/c rw - 9p C:\\134 rw
27 21 8:3 / /mnt/over rw - nfs server:/x rw
28 27 8:3 / /mnt/over rw - btrfs /dev/sdc rw
29 21 0:34 / /mnt/usb rw - fuseblk /dev/sdd1 rw
a line that is none
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/viewfinder", None),
        ("/home/me/.local", "nfs4"),
        ("/homeless/me", None),
        ("/home/me/scratch/library", None),
        ("/mnt/team drive/library", "cifs"),
        ("/mnt/far", "fuse.sshfs"),
        ("/mnt/c/Users/me", "9p"),
        ("/mnt/over/x", None),
        ("/mnt/usb/x", None),
    ],
)
def test_the_deepest_mount_decides(path, kind):
    assert network_of(Path(path), TABLE) == kind


def test_without_a_mount_table_nothing_is_claimed():
    assert network_of(Path("/home/me"), "") is None


def test_a_database_on_a_network_is_refused_with_advice(tmp_path):
    table = f"1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / {tmp_path.resolve().as_posix()} rw - nfs b rw\n"
    with pytest.raises(StoreError, match=r"network file system \(nfs\).*VIEWFINDER_HOME"):
        open_database(tmp_path / "v.db", table)
    assert list(tmp_path.iterdir()) == []
    open_database(tmp_path / "v.db", table.replace(" nfs ", " xfs ")).close()
