"""Images of datasets over REST: the filters of the gallery, one image, examples, and what was left out."""

import io

import pytest
from PIL import Image

from viewfinder.service.library import datasets


@pytest.fixture
def address(library, tmp_path, colors):
    """A dataset with an image that is twice there, and one that cannot be read."""
    source = tmp_path / "source"
    for number in range(3):
        for name in ("blue", "red"):
            path = source / name / f"{name} {number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((colors / name / f"{name} {number}.png").read_bytes())
    Image.new("RGB", (80, 60)).save(source / "red" / "Large.png")
    (source / "red" / "broken.png").write_bytes(b"no image")
    return f"/datasets/{datasets.add(library, source).id}"


def names(api, address, **asked):
    return [one["image"] for one in api.get(f"{address}/images", params=asked).json()["items"]]


def test_images_are_chosen_as_in_the_gallery(api, address):
    assert names(api, address, shows="red", find="RED ", sort="name_last") == [f"red/red {n}.png" for n in (2, 1, 0)]
    assert names(api, address, sort="largest", limit=1) == ["red/Large.png"]
    kind = api.get(f"{address}/diagnostics").json()["items"][0]
    problem = f"{kind['severity']}.{kind['kind']}"
    (left_out,) = api.get(f"{address}/images", params={"problem": problem}).json()["items"]
    assert (left_out["image"], left_out["sha256"], left_out["thumbnail"]) == ("red/broken.png", None, None)
    assert api.get(f"{address}/left-out.jpg", params={"image": "red/broken.png"}).status_code == 404
    assert api.get(f"{address}/images?sort=colour").status_code == 422


def test_one_image_is_shown_in_full_beside_its_neighbours(api, address):
    one = api.get(f"{address}/image", params={"image": "red/red 1.png", "shows": "red"}).json()
    assert (one["classes"], one["size"], one["number"], one["total"]) == (["red"], [40, 40], 3, 4)
    assert (one["before"], one["after"]) == ("red/red 0.png", "red/red 2.png")
    assert Image.open(io.BytesIO(api.get(one["picture"]).content)).size == (40, 40)
    gone = api.get(f"{address}/image", params={"image": "red/red 1.png", "shows": "blue"})
    assert (gone.status_code, "among those that were asked for" in gone.json()["detail"]) == (404, True)


def test_each_class_has_examples(api, address):
    found = api.get(f"{address}/examples").json()
    assert {name: len(images) for name, images in found.items()} == {"blue": 3, "red": 4}
    assert api.get(found["blue"][0]["thumbnail"]).headers["content-type"] == "image/jpeg"
    assert api.get(f"{address}/group-columns").json() == []
    assert api.get("/datasets/gone/examples").status_code == 404
