"""Weight files that are sent from a browser: kept only when they are the published ones."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import PurePosixPath
from typing import Any

from viewfinder import catalogue
from viewfinder.errors import WeightsError
from viewfinder.service.library.library import Library, new_id
from viewfinder.service.weights import add_weights

MOST_BYTES = 1 << 30


async def receive(library: Library, name: str, chunks: AsyncIterator[bytes]) -> dict[str, Any]:
    """Take a weight file, and return its row in the catalogue of weights.

    Raises WeightsError for one that is too large, or is none of the catalogue's by its hash; then nothing is kept.
    """
    name = PurePosixPath(name.replace("\\", "/")).name or "file"
    folder = library.home / "uploads" / new_id()
    known = {row.weights.file for row in catalogue.ROWS}
    path = folder / (name if name in known else "sent")  # any other name may be none of this system's
    size = 0
    try:
        folder.mkdir(parents=True)
        with path.open("wb") as file:
            async for chunk in chunks:
                size += file.write(chunk)
                if size > MOST_BYTES:
                    raise WeightsError(f"'{name}' is larger than {MOST_BYTES >> 30} GiB, as no weight file here is.")
        return await asyncio.to_thread(add_weights, path)
    except WeightsError as error:
        raise WeightsError(str(error).replace(str(path), name)) from None  # where it lay for a moment is of no use
    except OSError as error:
        raise WeightsError(f"'{name}' cannot be written: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
