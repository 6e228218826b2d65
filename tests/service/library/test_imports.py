"""Imports: once each, of folders and zips, and not lost when the server dies."""

import shutil
import threading
import time

import pytest

from viewfinder.errors import NotFoundError, StoreError
from viewfinder.service.library import datasets, imports, uploads
from viewfinder.service.library.library import Library


def ended(library, identity):
    for _ in range(400):
        found = imports.get(library, identity)
        if found.dataset or found.error:
            return found
        time.sleep(0.05)
    raise AssertionError("the import did not end")


@pytest.fixture
def sent(library, colors):
    """An upload of the colours, in a folder."""
    identity = uploads.begin(library)
    shutil.copytree(colors, uploads.folder_of(library, identity) / "my colors")
    return identity


@pytest.fixture
def zipped(tmp_path, colors):
    """The colours as a zip, in a folder of their own."""
    return shutil.make_archive(str(tmp_path / "my colors"), "zip", colors.parent, colors.name)


@pytest.fixture
def restarted(library):
    """restarted(): the library as the next server finds it."""
    opened = []

    def open_again():
        again = Library.open(library.home)
        again.data_roots = library.data_roots
        opened.append(again)
        return again

    yield open_again
    for one in opened:
        one.database.close()


def killed(monkeypatch, library, begin):
    """Begin an import whose thread ends as if the server were killed; return its id."""

    def never(self):
        return None

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", never)
        return begin().id


def test_an_upload_that_is_imported_twice_at_once_starts_once(library, sent):
    begun = []
    both = [
        threading.Thread(target=lambda: begun.append(imports.of_upload(library, sent, "my colors"))) for _ in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert begun[0] is begun[1]
    assert ended(library, sent).dataset.images == 30
    assert imports.of_upload(library, sent, "my colors").dataset is not None
    assert len(datasets.datasets(library)) == 1


def test_a_zip_that_was_sent_is_unpacked(library, zipped):
    identity = uploads.begin(library)
    shutil.copy(zipped, uploads.folder_of(library, identity) / "my colors.zip")
    imports.of_upload(library, identity, "my colors.zip")
    found = ended(library, identity)
    assert (found.error, found.dataset.name, found.dataset.images) == (None, "my colors", 30)
    assert found.dataset.classes == ["blue", "green", "red"]
    assert not list((library.home / "uploads").iterdir())
    assert not list(library.home.rglob("*.zip"))


def test_a_zip_on_the_servers_disk_is_unpacked_and_kept(library, zipped, tmp_path):
    found = ended(library, imports.of_path(library, zipped).id)
    assert (found.error, found.dataset.name, found.dataset.images) == (None, "my colors", 30)
    assert (tmp_path / "my colors.zip").is_file()


def test_a_damaged_zip_leaves_nothing(library):
    identity = uploads.begin(library)
    (uploads.folder_of(library, identity) / "x.zip").write_bytes(b"PK no zip")
    imports.of_upload(library, identity, "x.zip")
    assert "'x.zip' is damaged, or no zip" in ended(library, identity).error
    assert [path for path in library.home.rglob("*") if path.suffix == ".zip"] == []
    assert not list((library.home / "datasets" / "files").iterdir())


@pytest.mark.parametrize("moved", [False, True])
def test_an_interrupted_import_of_an_upload_starts_again(library, sent, restarted, monkeypatch, moved):
    killed(monkeypatch, library, lambda: imports.of_upload(library, sent, "my colors"))
    if moved:  # it had come as far as the move
        (library.home / "datasets" / "files").mkdir(parents=True)
        uploads.folder_of(library, sent).rename(library.home / "datasets" / "files" / sent)
    again = restarted()
    (found,) = imports.unfinished(again)
    assert (found.id, found.name, found.interrupted) == (sent, "my colors", True)
    assert imports.again(again, sent) is imports.again(again, sent)
    assert ended(again, sent).dataset.images == 30
    assert imports.unfinished(again) == []
    assert ended(restarted(), sent).dataset.name == "my colors"
    assert len(datasets.datasets(again)) == 1


def test_an_interrupted_unpacking_starts_again(library, zipped, restarted, monkeypatch):
    identity = killed(monkeypatch, library, lambda: imports.of_path(library, zipped))
    torn = library.home / "datasets" / "files" / f".{identity}"
    (torn / "half").mkdir(parents=True)
    again = restarted()
    imports.again(again, identity)
    assert ended(again, identity).dataset.images == 30
    assert not torn.exists()


def test_an_import_that_was_over_before_it_was_noted_is_over(library, sent, restarted):
    imports.of_upload(library, sent, "my colors")
    made = ended(library, sent).dataset
    record = library.home / "imports" / f"{sent}.json"
    record.write_text('{"name": "my colors", "begun": 1, "path": null, "error": null, "dataset": null}')
    again = restarted()
    assert imports.get(again, sent).dataset.id == made.id
    with pytest.raises(StoreError, match="was not interrupted"):
        imports.give_up(again, sent)


def test_an_interrupted_import_is_given_up_with_its_files(library, sent, restarted, monkeypatch):
    killed(monkeypatch, library, lambda: imports.of_upload(library, sent, "my colors"))
    again = restarted()
    imports.give_up(again, sent)
    assert imports.unfinished(again) == []
    assert not list((library.home / "uploads").iterdir())
    with pytest.raises(NotFoundError):
        imports.get(again, sent)


def test_what_ended_long_ago_is_forgotten_and_what_waits_is_not(library, colors, sent, monkeypatch):
    library.data_roots = (colors.parent,)
    first = ended(library, imports.of_path(library, colors).id).id
    killed(monkeypatch, library, lambda: imports.of_upload(library, sent, "my colors"))
    now = library.clock()
    library.clock = lambda: now + imports.REMEMBERED_S + 60
    ended(library, imports.of_path(library, colors).id)
    with pytest.raises(NotFoundError):
        imports.get(library, first)
    assert imports.get(library, sent).name == "my colors"


def test_a_path_that_is_no_longer_allowed_is_not_read_again(library, colors, restarted, monkeypatch, tmp_path):
    library.data_roots = (colors.parent,)
    identity = killed(monkeypatch, library, lambda: imports.of_path(library, colors))
    again = restarted()
    again.data_roots = (tmp_path,)
    with pytest.raises(StoreError, match="outside of what this server may read"):
        imports.again(again, identity)
