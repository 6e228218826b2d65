"""Small pictures, with boxes drawn on them."""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from PIL import Image, ImageDraw, ImageFont

from viewfinder.data import pixels

PLAIN_PX, BOXES_PX = 280, 640

# Told apart without red and green; wrong and missed ones also by their labels, missed and found ones by their dashes.
Font: TypeAlias = "ImageFont.FreeTypeFont | ImageFont.ImageFont"
COLORS = {"right": (86, 180, 233), "wrong": (255, 149, 0), "found": (255, 255, 255), "missed": (240, 110, 200)}


def data_uri(path: Path, boxes: Sequence[Mapping[str, Any]] = ()) -> str | None:
    """Return the image, small and with its boxes drawn, as a JPEG data URI; None when it cannot be read any more."""
    content = jpeg(path, boxes, BOXES_PX if boxes else PLAIN_PX)
    return "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii") if content else None


def jpeg(path: pixels.ImageSource, boxes: Sequence[Mapping[str, Any]], longest: int) -> bytes | None:
    """Return the image as JPEG, its longest side that many pixels at most, or just as many if boxes are drawn.

    A box is `{"bbox": [xmin, ymin, width, height], "kind": "right" | "wrong" | "found" | "missed", "label": "…"}`.
    None is returned when the image cannot be read any more.
    """
    try:
        image = pixels.read(path, at_least=longest)
    except pixels.UnreadableImage:
        return None
    return encoded(image, boxes, longest)


def encoded(image: Image.Image, boxes: Sequence[Mapping[str, Any]], longest: int) -> bytes:
    """Return an open image as `jpeg` does; boxes are in pixels of its original size."""
    width, height = pixels.original_size(image)
    scale = longest / max(width, height) if boxes else min(1.0, longest / max(width, height))
    image = image.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.LANCZOS)
    _draw(image, boxes, scale)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return file.getvalue()


def _draw(image: Image.Image, boxes: Sequence[Mapping[str, Any]], scale: float) -> None:
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(max(12, max(image.size) // 60))
    line = max(2, max(image.size) // 400)
    order = ("found", "right", "missed", "wrong")  # what matters most is drawn last
    placed: list[tuple[float, float, float, float]] = []
    for box in sorted(boxes, key=lambda box: order.index(box["kind"])):
        x, y, width, height = (value * scale for value in box["bbox"])
        corners = (x, y, max(x, x + width - 1), max(y, y + height - 1))
        color = COLORS[box["kind"]]
        if box["kind"] in ("found", "missed"):
            _dashed(draw, corners, color)
        else:
            draw.rectangle(corners, outline=color, width=line)
    for box in sorted(boxes, key=lambda box: -order.index(box["kind"])):
        if box.get("label"):
            _label(draw, font, [value * scale for value in box["bbox"]], box, image.size, placed)


def _dashed(draw: ImageDraw.ImageDraw, corners: tuple[float, float, float, float], color: tuple[int, int, int]) -> None:
    left, top, right, bottom = corners
    draw.rectangle(corners, outline=(60, 60, 60), width=2)
    for start, end in _dashes(left, right):
        draw.line((start, top, end, top), fill=color, width=2)
        draw.line((start, bottom, end, bottom), fill=color, width=2)
    for start, end in _dashes(top, bottom):
        draw.line((left, start, left, end), fill=color, width=2)
        draw.line((right, start, right, end), fill=color, width=2)


def _dashes(low: float, high: float, dash: float = 9, gap: float = 4) -> Iterator[tuple[float, float]]:
    start = low
    while start < high:
        yield start, min(start + dash, high)
        start += dash + gap


def _label(
    draw: ImageDraw.ImageDraw,
    font: Font,
    bbox: Sequence[float],
    box: Mapping[str, Any],
    size: tuple[int, int],
    placed: list[tuple[float, float, float, float]],
) -> None:
    """Write a label at its box where it covers no other label: above, below, or inside; else not at all."""
    text = str(box["label"])[:40]
    _, _, text_width, text_height = draw.textbbox((0, 0), text, font=font)
    wide, high = text_width + 6, text_height + 4
    x = min(max(bbox[0], 0), max(size[0] - wide, 0))
    for y in (bbox[1] - high, bbox[1] + bbox[3], bbox[1], bbox[1] + bbox[3] - high):
        y = min(max(y, 0), max(size[1] - high, 0))
        spot = (x, y, x + wide, y + high)
        if not any(spot[0] < p[2] and p[0] < spot[2] and spot[1] < p[3] and p[1] < spot[3] for p in placed):
            placed.append(spot)
            draw.rectangle(spot, fill=COLORS[box["kind"]])
            draw.text((x + 3, y + 1), text, fill=(0, 0, 0), font=font)
            return
