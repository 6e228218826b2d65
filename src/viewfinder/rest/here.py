"""What every operation is given: the library, and ids that can be ids."""

from typing import Annotated

from fastapi import Depends, Path, Request

from viewfinder.service.library.library import Library


async def _library(request: Request) -> Library:
    found: Library = request.app.state.library
    return found


Here = Annotated[Library, Depends(_library)]
Id = Annotated[str, Path(pattern="^[0-9A-Za-z_-]{1,64}$", description="Its id", examples=["0a1b2c3d"])]
