"""Uploads and zips of strangers: bounded, and inside of their folder."""

import io
import os
import stat
import struct
import zipfile

import pytest
from PIL import Image

from coroutines import run_async
from viewfinder.errors import NotFoundError, StoreError
from viewfinder.service.library import uploads, zips


def png(color="red"):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), color).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def packed(tmp_path):
    """packed({name: bytes}): write a zip and return its path; a ZipInfo may stand for a name."""

    def write(members, name="pets.zip", **options):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as file:
            for member, content in members.items() if isinstance(members, dict) else members:
                file.writestr(member, content)
        return path

    return write


@pytest.fixture
def refused(tmp_path):
    """refused(zip): the message with which it is refused; fails when anything was left behind."""

    def unpack(path):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(StoreError) as caught:
            zips.unpack(path, tmp_path / "out")
        assert sorted(tmp_path.rglob("*")) == before
        return str(caught.value)

    return unpack


def files_in(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_zip_is_unpacked_but_for_what_a_mac_adds(tmp_path, packed):
    members = {"pets/cat/é 1.png": b"1", "pets\\dog\\2.png": b"2", "pets/inner.zip": b"PK", "pets/empty/": b""}
    path = packed({**members, "__MACOSX/pets/._1.png": b"x", "pets/.DS_Store": b"x"})
    seen = []
    zips.unpack(path, tmp_path / "out", lambda done, total: seen.append((done, total)))
    assert files_in(tmp_path / "out") == {"pets/cat/é 1.png": b"1", "pets/dog/2.png": b"2", "pets/inner.zip": b"PK"}
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    "name", ["../x.png", "a/../../x.png", "/etc/x.png", "..\\x.png", "\\x.png", "C:/x.png", "C:x.png", "\\\\host\\x"]
)
def test_a_name_that_leads_outside_is_refused(packed, refused, name):
    assert "is not the name of a file inside a folder" in refused(packed({"fine.png": b"1", name: b"x"}))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_link_or_a_device_is_refused(packed, refused, kind):
    member = zipfile.ZipInfo("cat/link")
    member.external_attr = (kind | 0o777) << 16
    assert "'cat/link' is a link or a device" in refused(packed([("cat/1.png", b"1"), (member, "/etc/passwd")]))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [["a.png", "a.png"], ["a", "a/b.png"], ["a/b.png", "a"], ["a.png", "./a.png"]])
def test_a_file_that_is_there_twice_is_refused(packed, refused, names):
    assert "twice" in refused(packed([(name, b"x") for name in names]))


def test_names_without_end_are_refused(packed, refused):
    assert "too long" in refused(packed({"x" * 2000: b"1"}))
    assert "too long" in refused(packed({"a/" * 100 + "x": b"1"}))
    assert "cannot be unpacked" in refused(packed({"x" * 300: b"1"}))  # more than the disk's own limit


def test_a_bomb_is_refused_by_what_it_says_and_by_what_it_does(packed, refused, monkeypatch):
    monkeypatch.setattr(zips, "ALWAYS_BYTES", 1 << 20)
    path = packed({f"{number}.bmp": bytes(1 << 20) for number in range(20)})
    assert "unfolds to more than 2 MiB" in refused(path)  # a hundred times its own size
    liar = bytearray(path.read_bytes())
    place = 0
    while (place := liar.find(b"PK\x01\x02", place + 1)) > 0:  # each member says that it has ten bytes
        liar[place + 24 : place + 28] = struct.pack("<I", 10)
    path.write_bytes(liar)
    assert "Bad CRC-32" in refused(path)  # only ten bytes of each were read


def test_too_many_members_are_refused_before_they_are_listed(packed, refused, monkeypatch):
    monkeypatch.setattr(zips, "MOST_MEMBERS", 10)
    assert "more than 10 files" in refused(packed({f"{number}.png": b"1" for number in range(11)}))
    path = packed({f"{number}.png": b"1" for number in range(100)})
    monkeypatch.setattr(zipfile, "ZipFile", None)  # its table of contents, which is large, is not even read
    assert "more than 10 files" in refused(path)


def test_an_encrypted_zip_is_refused(packed, refused):
    path = packed({"cat/1.png": b"1"})
    content = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(mark) + flags] |= 1
    path.write_bytes(content)
    assert "encrypted; unpack it yourself" in refused(path)


@pytest.mark.parametrize("damage", ["cut", "flipped", "none", "empty", "method"])
def test_a_damaged_zip_is_refused(packed, refused, damage):
    path = packed({f"cat/{number}.png": bytes(range(256)) * 8 for number in range(3)})
    content = path.read_bytes()
    middle = content.find(b"PK\x03\x04", 4) + 60
    unknown = bytearray(content)
    for mark, method in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        unknown[content.find(mark) + method] = 99
    path.write_bytes(
        {
            "cut": content[: len(content) // 2],
            "flipped": content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :],
            "none": b"this is no zip",
            "empty": b"",
            "method": unknown,
        }[damage]
    )
    assert "'pets.zip' is damaged, or no zip" in refused(path)


def test_a_zip_of_nothing_is_refused(packed, refused):
    assert "it holds no files" in refused(packed({"empty/": b"", "__MACOSX/x": b"1"}))


def send(library, identity, name, content):
    async def chunks():
        yield content

    return run_async(uploads.receive(library, identity, name, chunks()))


def test_what_is_there_is_told_for_who_goes_on(library):
    identity = uploads.begin(library)
    send(library, identity, "a/1.png", b"123")
    send(library, identity, "a/2.png", b"12345")
    (uploads.folder_of(library, identity) / "a" / ".0123.part").write_bytes(b"torn")
    assert uploads.sent(library, identity) == {"a/1.png": 3, "a/2.png": 5}
    with pytest.raises(NotFoundError):
        uploads.sent(library, "gone")


def test_an_upload_is_bounded_also_after_a_restart(library, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_FILES", 2)
    monkeypatch.setattr(uploads, "MOST_BYTES", 10)
    identity = uploads.begin(library)
    send(library, identity, "1.png", b"1234")
    send(library, identity, "1.png", b"12345")  # in place of the first
    with pytest.raises(StoreError, match="An upload has 0 GiB at most"):
        send(library, identity, "2.png", b"123456")
    library.uploads.clear()
    send(library, identity, "2.png", b"12345")
    with pytest.raises(StoreError, match="2 files at most"):
        send(library, identity, "3.png", b"")
    assert uploads.sent(library, identity) == {"1.png": 5, "2.png": 5}


def test_an_upload_that_still_grows_is_not_abandoned(library):
    identity = uploads.begin(library)
    start = library.clock()
    library.clock = lambda: start + uploads.ABANDONED_S + 60
    os.utime(uploads.folder_of(library, identity), (start - uploads.ABANDONED_S, start - uploads.ABANDONED_S))
    send(library, identity, "deep/down/1.png", b"1")
    library.clock = lambda: start + uploads.ABANDONED_S - 60
    uploads.begin(library)
    assert uploads.sent(library, identity) == {"deep/down/1.png": 1}
