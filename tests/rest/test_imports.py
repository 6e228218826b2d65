"""Uploads and imports over REST."""

import json
import time

import pytest

from viewfinder.service.library import uploads


def finished(api, identity):
    for _ in range(200):
        answer = api.get(f"/imports/{identity}").json()
        if answer["dataset"] or answer["error"]:
            return answer
        time.sleep(0.05)
    raise AssertionError("the import did not end")


def test_an_upload_becomes_a_dataset(api, colors, library):
    identity = api.post("/uploads").json()["id"]
    for path in colors.rglob("*.png"):
        name = f"my colors/{path.relative_to(colors).as_posix()}"
        assert api.put(f"/uploads/{identity}/files/{name}", content=path.read_bytes()).status_code == 204
    there = api.get(f"/uploads/{identity}").json()["files"]
    assert there == {
        f"my colors/{path.relative_to(colors).as_posix()}": path.stat().st_size for path in colors.rglob("*.png")
    }
    begun = api.post("/imports", json={"upload": identity, "name": "my colors"})
    assert (begun.status_code, begun.headers["location"]) == (202, f"/imports/{begun.json()['id']}")
    dataset = finished(api, begun.json()["id"])["dataset"]
    assert (dataset["name"], dataset["images"], dataset["classes"]) == ("my colors", 30, ["blue", "green", "red"])
    assert api.get(f"/datasets/{dataset['id']}").json() == dataset
    assert [one["id"] for one in api.get("/datasets").json()["items"]] == [dataset["id"]]
    assert list((library.home / "uploads").iterdir()) == []


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "C:/x.png", "..\\x.png"])
def test_no_file_leaves_its_upload(api, library, name):
    from urllib.parse import quote

    identity = api.post("/uploads").json()["id"]
    answer = api.put(f"/uploads/{identity}/files/{quote(name, safe='')}", content=b"x")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert [path for path in library.home.rglob("*") if path.name == "x.png"] == []


def test_a_file_that_is_too_large_leaves_nothing(api, library, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_FILE_BYTES", 10)
    identity = api.post("/uploads").json()["id"]
    answer = api.put(f"/uploads/{identity}/files/a/x.png", content=b"x" * 11)
    assert answer.status_code == 422
    assert [path for path in uploads.folder_of(library, identity).rglob("*") if path.is_file()] == []


def test_abandoned_uploads_are_removed(library):
    first = uploads.begin(library)
    library.clock = lambda: time.time() + uploads.ABANDONED_S + 60
    uploads.begin(library)
    assert not (library.home / "uploads" / first).exists()


def test_an_import_that_breaks_says_so(api, colors, library):
    library.data_roots = (colors.parent,)
    (library.home / "datasets").write_bytes(b"a file where a folder has to be")
    begun = api.post("/imports", json={"path": str(colors)}).json()
    assert "Error" in finished(api, begun["id"])["error"]


def test_what_cannot_be_imported_is_said(api, tmp_path):
    (tmp_path / "empty").mkdir()
    begun = api.post("/imports", json={"path": str(tmp_path / "empty")}).json()
    assert "holds no files" in finished(api, begun["id"])["error"]


def test_an_interrupted_import_goes_on_or_is_given_up(api, colors, library):
    """Two whose server was killed have nothing but their files."""
    library.data_roots = (colors.parent,)
    (library.home / "imports").mkdir()
    for identity in ("one", "two"):
        kept = {"name": "colors", "begun": 1.0, "path": str(colors), "error": None, "dataset": None}
        (library.home / "imports" / f"{identity}.json").write_text(json.dumps(kept))
    listed = api.get("/imports").json()["items"]
    assert {one["id"]: one["interrupted"] for one in listed} == {"one": True, "two": True}
    assert api.delete("/imports/two").status_code == 204
    assert api.get("/imports/two").status_code == 404
    assert api.post("/imports/one/again").status_code == 202
    done = finished(api, "one")
    assert (done["dataset"]["images"], done["interrupted"], done["doing"]) == (30, False, "images read")
    refused = api.delete("/imports/one")
    assert (refused.status_code, "was not interrupted" in refused.json()["detail"]) == (409, True)
    assert api.get("/imports").json()["items"] == []
