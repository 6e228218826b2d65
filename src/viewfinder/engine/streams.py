"""Standard input and output of a process that answers over them."""

import os
from typing import IO


def standard() -> tuple[IO[bytes], IO[bytes]]:
    """Return standard input and output for messages alone: whatever else is printed goes where errors go."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers
