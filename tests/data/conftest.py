"""Makers of small real files."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from viewfinder.data.sources import load as load_source


def _picture(size, seed):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))


@pytest.fixture
def picture():
    """picture(path, size=(w, h), orientation=None): write a picture of its own noise; returns its path."""

    def write(path, size=(12, 8), orientation=None, seed=None, **options):
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        image = _picture(size, zlib.crc32(path.as_posix().encode()) if seed is None else seed)
        if orientation:
            exif = Image.Exif()
            exif[0x0112] = orientation
            options["exif"] = exif
        image.save(path, **options)
        return path

    return write


@pytest.fixture
def class_folders(tmp_path, picture):
    """class_folders({"cat": 3, "dog": 2}): write pictures in folders; returns the source."""

    def write(counts, root="pets"):
        for name, count in counts.items():
            for number in range(count):
                picture(tmp_path / root / name / f"{number}.png")
        return tmp_path / root

    return write


@pytest.fixture
def coco():
    """coco(path, images=[(id, file, w, h)], boxes=[(image id, category id, bbox)], names={id: name})."""

    def write(path, images, boxes, names):
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "images": [{"id": i, "file_name": f, "width": w, "height": h} for i, f, w, h in images],
            "annotations": [
                {"id": n, "image_id": i, "category_id": c, "bbox": b} for n, (i, c, b) in enumerate(boxes, 1)
            ],
            "categories": [{"id": i, "name": n} for i, n in names.items()],
        }
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return write


@pytest.fixture
def voc():
    """voc(path, filename, size, [(name, xmin, ymin, xmax, ymax)]): write an annotation file."""

    def write(path, filename, size, objects):
        path.parent.mkdir(parents=True, exist_ok=True)
        shown = "".join(
            f"<object><name>{name}</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
            "</bndbox></object>"
            for name, x0, y0, x1, y1 in objects
        )
        declared = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>" if size else ""
        path.write_text(
            f"<annotation><filename>{filename}</filename><path>/nowhere/{filename}</path>{declared}{shown}</annotation>",
            encoding="utf-8",
        )
        return path

    return write


@pytest.fixture
def load():
    return load_source


@pytest.fixture
def kinds():
    """kinds(dataset): the findings as {(severity, kind): [file, …]}."""

    def collect(dataset):
        found = {}
        for diagnostic in dataset.diagnostics:
            found.setdefault((diagnostic.severity, diagnostic.kind), []).append(diagnostic.file)
        return found

    return collect


@pytest.fixture
def boxes_of():
    """boxes_of(dataset): the boxes by image."""

    def collect(dataset):
        return {row["image"]: json.loads(row["boxes"]) for row in dataset.images.iter_rows(named=True)}

    return collect
