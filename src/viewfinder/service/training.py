"""Training a source, and going on with a run that was stopped or is to be longer."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from viewfinder import design_file
from viewfinder import weights as files
from viewfinder.data.dataset import Dataset
from viewfinder.design import Design, merge, require_classes
from viewfinder.errors import InputError, RunError
from viewfinder.run import RunFolder, RunInfo
from viewfinder.service import launch
from viewfinder.service.designs import Settings
from viewfinder.service.preparing import prepare
from viewfinder.service.source import Progress, Source, load
from viewfinder.words import plural, typed


def train(
    source: Source | Path | str,
    design: Path | str | Mapping[str, Any] | Design | None = None,
    settings: Settings = (),
    out: Path | str | None = None,
    *,
    progress: Progress | None = None,
    download: files.Progress | None = None,
    watcher: launch.Watcher | None = None,
) -> RunFolder:
    """Train a source and return the finished run.

    `design` is a design, its values, or the path of a file; `settings` such as {"training.epochs": 3} are laid over it.
    Without `out` the run goes to `runs/<source>-<time>`. Raises InputError for what is wrong with any of it,
    TrainingError when the training fails, and KeyboardInterrupt when it is stopped: `resume` goes on with it.
    """
    run = prepare(source, design, settings, out, progress=progress, download=download).run
    begin(run, watcher)
    return run


def begin(run: RunFolder, watcher: launch.Watcher | None = None) -> None:
    """Train a run that was just prepared; remove its folder when what it asks for cannot be had here.

    Raises what `launch.train` raises.
    """
    try:
        launch.train(run, watcher)
    except InputError:
        if run.info().started is None:  # nothing was trained that could go on
            shutil.rmtree(run.path)
        raise


def resume(
    run: RunFolder | Path | str,
    epochs: int | None = None,
    source: Source | Path | str | None = None,
    *,
    progress: Progress | None = None,
    watcher: launch.Watcher | None = None,
) -> RunFolder:
    """Go on with a stopped, killed or failed run, or extend it to `epochs` in all, and return it when it is finished.

    `source` says where the run's data is now. Raises RunError when there is nothing to do, or the data is another.
    """
    run = open_run(run)
    reopen(run, epochs, source, progress=progress)
    launch.train(run, watcher)
    return run


def open_run(run: RunFolder | Path | str) -> RunFolder:
    """Return the run of a folder; raise RunError when the folder is none."""
    return run if isinstance(run, RunFolder) else RunFolder.open(Path(run))


def reopen(
    run: RunFolder,
    epochs: int | None = None,
    source: Source | Path | str | None = None,
    *,
    progress: Progress | None = None,
) -> None:
    """Make a run ready to go on; raise RunError when it cannot."""
    with run.locked():
        pass  # nobody else trains it; said before the images are looked at, which can take long
    info, design = run.info(), run.design()
    _check_epochs(run, info, design, epochs)
    if epochs is not None:
        design = design_file.parse(merge(design.model_dump(mode="json"), {"training": {"epochs": epochs}}))
    root = found_again(info, design, Source.of(source), progress) if source is not None else _present(run, info, epochs)
    with run.locked():
        run.write_design(design)
        run.update(status="queued", error=None, dataset=info.dataset.model_copy(update={"root": root}).model_dump())
        run.clear_stop()


def _check_epochs(run: RunFolder, info: RunInfo, design: Design, epochs: int | None) -> None:
    done, limit = run.epochs().height, int(design.training.epochs)
    if epochs is not None and epochs < max(1, done):
        raise RunError(
            f"--epochs {epochs}: the run '{run.path}' has already done {plural(done, 'epoch')}. Choose more than that."
        )
    if info.status == "finished" and (epochs is None or epochs == done):
        more = max(limit, done) + 10
        reason = info.reason or "all done"
        raise RunError(
            f"The run '{run.path}' is finished after {done} of at most {plural(limit, 'epoch')} ({reason}). "
            "To extend it, say how many epochs it shall have in all: "
            f"viewfinder resume {typed(run.path)} --epochs {more}"
        )


def _present(run: RunFolder, info: RunInfo, epochs: int | None) -> str:
    root = Path(info.dataset.root)
    images = run.split()["image"]
    if not root.is_dir() or (len(images) and not (root / images[0]).is_file()):
        raise RunError(
            f"The images of the run '{run.path}' are no longer in '{root}'. "
            f"Say where they are now: viewfinder resume {typed(run.path)} --source PATH"
            + (f" --epochs {epochs}" if epochs is not None else "")
        )
    return info.dataset.root


def found_again(info: RunInfo, design: Design, source: Source, progress: Progress | None) -> str:
    """Return the folder in which a run's data is now; raise RunError when it is other data."""
    data = load(source.with_task(design.task), group_column=design.split.group_column, progress=progress)
    if design.target.classes is not None:
        data = data.select(require_classes(design, data.classes))
    if data.fingerprint != info.dataset.fingerprint:
        raise RunError(
            f"'{source.path}' is not the data this run was trained on: {_difference(info, data)}. A run goes on with "
            "its own data only; `viewfinder train` starts a new one, `viewfinder evaluate` measures a model on more."
        )
    return data.root.resolve().as_posix()


def _difference(info: RunInfo, data: Dataset) -> str:
    if data.classes != info.dataset.classes:
        return f"its classes are {', '.join(data.classes)}, not {', '.join(info.dataset.classes)}"
    if data.images.height != info.dataset.images:
        return f"it has {plural(data.images.height, 'image')}, not {info.dataset.images:,}"
    return "its images or labels differ"
