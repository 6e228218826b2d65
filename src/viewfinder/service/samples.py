"""The sample data sets."""

from pathlib import Path

from viewfinder.data import samples


def sample(name: str, dest: Path | str) -> Path:
    """Write a sample data set into a new or empty folder, and return the folder; raise InputError otherwise."""
    samples.get(name).write(Path(dest))
    return Path(dest)
