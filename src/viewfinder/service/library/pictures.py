"""Pictures that pages show for a while: kept in memory, bounded, each under the hash of its content."""

import hashlib
import threading
from collections import OrderedDict

from viewfinder.errors import NotFoundError

MOST_BYTES = 64 << 20


class Pictures:
    """JPEGs by the SHA-256 of their content; those not asked for longest make room. Use it from any thread."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def keep(self, content: bytes) -> str:
        """Keep a picture and return its digest."""
        digest = hashlib.sha256(content).hexdigest()
        with self._lock:
            if digest not in self._kept:
                self._kept[digest] = content
                self._bytes += len(content)
            self._kept.move_to_end(digest)
            while self._bytes > self.most_bytes and len(self._kept) > 1:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return digest

    def get(self, digest: str) -> bytes:
        """Return a picture; raise NotFoundError when it is not kept any more."""
        with self._lock:
            if digest not in self._kept:
                raise NotFoundError(f"There is no picture '{digest}', or no longer.")
            self._kept.move_to_end(digest)
            return self._kept[digest]
