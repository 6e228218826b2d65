"""Small real sources of images."""

import json

import numpy as np
from PIL import Image

COLORS = {"blue": (40, 60, 220), "green": (40, 200, 60), "red": (220, 50, 40)}


def _noise(color, seed, size=(40, 40)):
    rng = np.random.default_rng(seed)
    pixels = np.asarray(color) + rng.integers(-40, 40, (size[1], size[0], 3))
    return pixels.clip(0, 255).astype(np.uint8)


def write_colors(folder, images=10):
    """Write noisy pictures of three colours, a folder for each."""
    for number, (name, color) in enumerate(COLORS.items()):
        (folder / name).mkdir(parents=True)
        for index in range(images):
            Image.fromarray(_noise(color, 100 * number + index)).save(folder / name / f"{name} {index}.png")
    return folder


def write_squares(folder, images=12):
    """Write grey pictures with one red or blue square each, and their boxes as COCO JSON."""
    folder.mkdir(parents=True)
    names, records = ["blue", "red"], {"images": [], "annotations": []}
    for index in range(images):
        pixels, (x, y), name = _noise((128, 128, 128), index, (64, 64)), (8 + index, 20), names[index % 2]
        pixels[y : y + 24, x : x + 24] = COLORS[name]
        Image.fromarray(pixels).save(folder / f"{index}.png")
        records["images"].append({"id": index, "file_name": f"{index}.png", "width": 64, "height": 64})
        box = {"id": index + 1, "image_id": index, "category_id": index % 2, "bbox": [x, y, 24, 24]}
        records["annotations"].append(box)
    categories = [{"id": number, "name": name} for number, name in enumerate(names)]
    (folder / "boxes.json").write_text(json.dumps({**records, "categories": categories}), encoding="utf-8")
    return folder
