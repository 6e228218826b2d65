"""Messages between two processes over pipes: a line of JSON, then the raw bytes that it announces."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any


@dataclass(frozen=True)
class Message:
    """`head` is plain data; `blobs` are files, such as pictures."""

    head: Mapping[str, Any] = field(default_factory=dict)
    blobs: tuple[bytes, ...] = ()


def write(stream: IO[bytes], message: Message) -> None:
    """Write a message; raise OSError when nobody reads any more."""
    line = json.dumps({"head": message.head, "sizes": [len(blob) for blob in message.blobs]})
    stream.write(line.encode() + b"\n")
    for blob in message.blobs:
        stream.write(blob)
    stream.flush()


def read(stream: IO[bytes]) -> Message | None:
    """Wait for a message and return it; None when the stream has ended, also in the middle of one."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    content = json.loads(line)
    blobs = tuple(stream.read(size) for size in content["sizes"])
    whole = all(len(blob) == size for blob, size in zip(blobs, content["sizes"], strict=True))
    return Message(content["head"], blobs) if whole else None
