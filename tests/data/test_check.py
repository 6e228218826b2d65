import json

from viewfinder.data.check import summarise


def test_the_summary_of_class_folders(load, class_folders, picture):
    source = class_folders({"train/cat": 3, "train/dog": 2, "test/cat": 1, "test/dog": 1})
    picture(source / "train" / "cat" / "large.JPG", size=(100, 50))
    (source / "train" / "cat" / "bad.png").write_bytes(b"?")
    summary = summarise(load(source))
    assert json.loads(json.dumps(summary)) == summary
    assert summary["images"] == summary["distinct_images"] == 8
    assert summary["classes"] == [
        {"name": "cat", "images": 5, "objects": None, "splits": {"test": 1, "train": 4}},
        {"name": "dog", "images": 3, "objects": None, "splits": {"test": 1, "train": 2}},
    ]
    assert summary["splits"] == {"test": 2, "train": 6}
    assert summary["formats"] == {"PNG": 7, "JPEG": 1}
    assert summary["sizes"]["width"] == {"least": 12, "median": 12, "greatest": 100}
    assert summary["sizes"]["commonest"][0] == {"width": 12, "height": 8, "images": 7}
    assert summary["findings"] == {"error": 1, "warning": 0, "info": 0}
    assert [(d["severity"], d["kind"], d["count"]) for d in summary["diagnostics"]] == [("error", "corrupt_image", 1)]
    assert summary["diagnostics"][0]["examples"][0]["file"] == "train/cat/bad.png"


def test_the_summary_of_boxes(load, tmp_path, picture, coco):
    for name in "abc":
        picture(tmp_path / "set" / f"{name}.png")
    images = [(n, f"{name}.png", 12, 8) for n, name in enumerate("abc")]
    boxes = [(0, 1, [1, 1, 4, 4]), (0, 1, [5, 1, 4, 4]), (1, 1, [1, 1, 4, 4]), (1, 2, [5, 1, 4, 4])]
    coco(tmp_path / "set" / "x.json", images, boxes, {1: "cat", 2: "dog"})
    summary = summarise(load(tmp_path / "set"))
    assert (summary["objects"], summary["background_images"], summary["splits"]) == (4, 1, {})
    assert summary["classes"] == [
        {"name": "cat", "images": 2, "objects": 3, "splits": {}},
        {"name": "dog", "images": 1, "objects": 1, "splits": {}},
    ]


def test_many_findings_are_counted_and_a_few_shown(load, class_folders):
    source = class_folders({"cat": 2, "dog": 2})
    for number in range(25):
        (source / "cat" / f"bad{number:02d}.jpg").write_bytes(b"?")
    entry = summarise(load(source))["diagnostics"][0]
    assert (entry["count"], len(entry["examples"])) == (25, 10)
