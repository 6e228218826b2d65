"""Pictures that were encoded anew, as answers."""

from typing import Any

from fastapi import Response

NOSNIFF = {"X-Content-Type-Options": "nosniff"}
IMMUTABLE = {**NOSNIFF, "Cache-Control": "private, max-age=31536000, immutable"}
JPEG: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A JPEG",
        "content": {"image/jpeg": {"schema": {"type": "string", "contentMediaType": "image/jpeg"}}},
    }
}


def jpeg(content: bytes, headers: dict[str, str] = NOSNIFF) -> Response:
    """Return a picture as an answer."""
    return Response(content, media_type="image/jpeg", headers=headers)
