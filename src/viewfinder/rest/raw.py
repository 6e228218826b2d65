"""Bodies that are bytes, taken as they are."""

from collections.abc import AsyncIterator
from typing import Any

from viewfinder.errors import InputError

RAW: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
"""How OpenAPI says so."""


async def whole(chunks: AsyncIterator[bytes], most_bytes: int) -> bytes:
    """Return what is sent; raise InputError when it is too much."""
    content = bytearray()
    async for chunk in chunks:
        content += chunk
        if len(content) > most_bytes:
            raise InputError(f"The file is larger than {most_bytes >> 20} MB.")
    return bytes(content)
