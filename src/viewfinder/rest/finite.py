"""Numbers as JSON has them."""

import math
from typing import Any


def finite(value: Any) -> Any:
    """Return plain data with null for every number that is none, or has no bounds."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return value
