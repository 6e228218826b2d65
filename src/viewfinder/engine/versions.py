"""What a result depends on besides design, data and seed."""

import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("viewfinder", "torch", "torchvision", "openvino", "numpy", "pillow", "polars", "scikit-learn")


def versions() -> dict[str, str]:
    """Return the versions of Python, the system and the packages that compute."""
    found = {"python": platform.python_version(), "system": platform.platform()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):  # not every system has every one
            found[package] = version(package)
    return found
