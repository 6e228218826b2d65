"""The folder where this user's data lies."""

import os
from pathlib import Path

from platformdirs import user_data_path

HOME_VARIABLE = "VIEWFINDER_HOME"


def default_home() -> Path:
    """Return the folder that VIEWFINDER_HOME names, or the user's own for application data."""
    named = os.environ.get(HOME_VARIABLE)
    return Path(named).expanduser().absolute() if named else user_data_path("viewfinder", appauthor=False)
