"""Why a training failed, in words."""

import errno

from viewfinder.engine import memory
from viewfinder.errors import InputError, TrainingError
from viewfinder.run import RunFolder
from viewfinder.words import typed

LESS_MEMORY = "Try a smaller training.input_size or model, fewer training.retrained_layers, or end other programs."
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)


def of(error: BaseException, run: RunFolder) -> BaseException:
    """Return the error to tell of: a TrainingError for lack of memory and what a disk refuses, else the same."""
    if isinstance(error, InputError | TrainingError):
        return error
    if memory.is_lack(error):
        return TrainingError(f"There is not enough memory, even with a smaller batch. {LESS_MEMORY} {_again(run)}")
    refused = _refused(error)
    if refused is None:
        return error
    where = f" ('{refused.filename}')" if refused.filename else ""
    if refused.errno in FULL:
        return TrainingError(f"The disk of '{run.path}' is full{where}. Make room on it. {_again(run)}")
    return TrainingError(f"'{run.path}' cannot be written{where}: {refused.strerror}. {_again(run)}")


def words(error: BaseException) -> str:
    """Return an error as run.json tells it."""
    return str(error) if isinstance(error, InputError | TrainingError) else f"{type(error).__name__}: {error}"


def _again(run: RunFolder) -> str:
    return f"Then go on from the last checkpoint: viewfinder resume {typed(run.path)}"


def _refused(error: BaseException | None) -> OSError | None:
    """Return the refusal of a disk that an error is, or was raised for: libraries wrap it in errors of their own."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (*FULL, *CLOSED):
            return error
        error = error.__cause__ or error.__context__
    return None
