"""Caches on disk: what was kept is found, and nothing that happens to them is an error."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from viewfinder.data import slots
from viewfinder.data.slots import Slots


def test_what_was_kept_is_found_again(tmp_path):
    with Slots(tmp_path / "cache", 3, 4) as cache:
        assert 1 not in cache
        assert cache.get(1) is None
        cache.put(1, b"abcd")
        cache.put(0, b"\0\0\0\0")
        assert (cache.get(0), cache.get(1), cache.get(2)) == (b"\0\0\0\0", b"abcd", None)
    with Slots(tmp_path / "cache", 3, 4) as again:
        assert (again.get(0), again.get(1), again.get(2)) == (b"\0\0\0\0", b"abcd", None)


def test_two_may_use_it_at_once(tmp_path):
    with Slots(tmp_path / "cache", 3, 4) as one, Slots(tmp_path / "cache", 3, 4) as other:
        one.put(0, b"same")
        other.put(0, b"same")
        other.put(2, b"more")
        one.put(1, b"than")
    with Slots(tmp_path / "cache", 3, 4) as cache:
        assert [cache.get(number) for number in range(3)] == [b"same", b"than", b"more"]


def test_what_another_keeps_is_found_at_once(tmp_path):
    with Slots(tmp_path / "cache", 2, 4) as one, Slots(tmp_path / "cache", 2, 4) as other:
        assert other.get(1) is None
        one.put(1, b"late")
        assert 1 in other
        assert other.get(1) == b"late"


def test_pieces_may_be_shorter(tmp_path):
    with Slots(tmp_path / "cache", 3, 4) as cache:
        for number, piece in enumerate((b"", b"ab", b"abcde")):
            cache.put(number, piece)
    with Slots(tmp_path / "cache", 3, 4) as cache:
        assert [cache.get(number) for number in range(3)] == [b"", b"ab", None]


@pytest.mark.parametrize("damage", [b"xbcd", b"ab", b""])
def test_what_was_damaged_is_not_there(tmp_path, damage):
    with Slots(tmp_path / "cache", 1, 4) as cache:
        cache.put(0, b"abcd")
    (tmp_path / "cache" / "pieces").write_bytes(damage)
    with Slots(tmp_path / "cache", 1, 4) as cache:
        assert cache.get(0) is None
        assert 0 not in cache
        cache.put(0, b"abcd")
        assert cache.get(0) == b"abcd"


@pytest.mark.parametrize("length", [0, 3, 8, 13])
def test_an_index_that_was_cut_short_knows_what_is_left_of_it(tmp_path, length):
    with Slots(tmp_path / "cache", 2, 4) as cache:
        cache.put(0, b"abcd")
        cache.put(1, b"efgh")
    os.truncate(tmp_path / "cache" / "index", length)
    with Slots(tmp_path / "cache", 2, 4) as cache:
        assert cache.get(0) == (b"abcd" if length >= 8 else None)
        assert cache.get(1) in (None, b"efgh")  # what is lost of an entry may be zeros
        cache.put(1, b"efgh")
        assert cache.get(1) == b"efgh"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not list open files")
def test_what_cannot_be_opened_leaves_no_file_open(tmp_path):
    (tmp_path / "cache" / "index").mkdir(parents=True)
    with Slots(tmp_path / "cache", 1, 4) as cache:
        cache.put(0, b"abcd")
        assert cache.get(0) is None
        opened = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
        assert tmp_path / "cache" / "pieces" not in opened


def test_it_keeps_no_more_than_it_may(tmp_path):
    with Slots(tmp_path / "cache", 10, 92, most_bytes=250) as cache:
        for number in range(10):
            cache.put(number, bytes([number]) * 92)
        assert [number for number in range(10) if number in cache] == [0, 1]
    assert (tmp_path / "cache" / "pieces").stat().st_size <= 250


def test_without_a_folder_nothing_is_kept(tmp_path):
    (tmp_path / "file").write_text("")
    with Slots(tmp_path / "file" / "cache", 2, 4) as cache:
        cache.put(0, b"abcd")
        assert cache.get(0) is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_is_no_error(tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "pieces").symlink_to("/dev/full")
    with Slots(tmp_path / "cache", 2, 4) as cache:
        cache.put(0, b"abcd")
        assert 0 not in cache
        assert cache.get(0) is None


def test_room_is_made_by_removing_what_was_used_longest_ago(tmp_path):
    for age, name in ((3, "old"), (2, "middle"), (1, "new")):
        with Slots(tmp_path / name, 1, 4096) as cache:
            cache.put(0, bytes(4096))
        os.utime(tmp_path / name, (1_000_000_000 - age, 1_000_000_000 - age))
    assert slots.make_room(tmp_path, "mine", 0) > 1 << 20
    assert {path.name for path in tmp_path.iterdir()} == {"old", "middle", "new"}
    taken = slots._allocated(tmp_path / "new")
    room = slots.make_room(tmp_path, "mine", 4096, most_bytes=taken + 5000)
    assert {path.name for path in tmp_path.iterdir()} == {"new"}
    assert room == 5000


def test_what_is_used_now_is_not_removed(tmp_path):
    with Slots(tmp_path / "used", 1, 4096) as cache:
        cache.put(0, bytes(4096))
        taken = slots._allocated(tmp_path / "used")
        assert slots.make_room(tmp_path, "mine", 4096, most_bytes=taken + 5) == 5
        assert cache.get(0) == bytes(4096)
        os.utime(tmp_path / "used", (1, 1))
        cache._told = 0.0  # a minute ago
        cache.get(0)
        assert slots.make_room(tmp_path, "mine", 4096, most_bytes=taken + 5) == 5
        assert (tmp_path / "used" / "pieces").exists()


def test_a_reserve_of_the_disk_is_left(tmp_path, monkeypatch):
    left = [slots.RESERVE[0] + 1]
    monkeypatch.setattr(slots, "LOOK_BYTES", 3)
    monkeypatch.setattr(slots.shutil, "disk_usage", lambda _: SimpleNamespace(total=1 << 40, free=left[0]))
    with Slots(tmp_path / "cache", 4, 4) as cache:
        cache.put(0, b"abcd")
        left[0] -= 2
        cache.put(1, b"abcd")
        assert [number in cache for number in (0, 1)] == [True, False]
        left[0] += 2
        cache.put(1, b"abcd")
        assert 1 in cache


def test_a_cache_that_may_have_less_gives_its_room_back(tmp_path):
    with Slots(tmp_path / "cache", 4, 4096) as cache:
        for number in range(4):
            cache.put(number, bytes(4096))
    with Slots(tmp_path / "cache", 4, 4096, most_bytes=2 * (4096 + slots.ENTRY)) as cache:
        assert [number in cache for number in range(4)] == [True, True, False, False]
        assert cache.get(1) == bytes(4096)
    assert (tmp_path / "cache" / "pieces").stat().st_size == 2 * 4096


def test_one_that_another_process_removes_meanwhile_does_not_matter(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    found = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: [*found(self), self / "gone"])
    assert slots.make_room(tmp_path, "mine", 1) > 1 << 20


def test_a_name_depends_on_every_part():
    assert slots.key((1, "a")) == slots.key((1, "a"))
    assert len({slots.key(parts) for parts in ((1, "a"), (1, "b"), ("1", "a"), ("a", 1), (1, "a", None))}) == 5
