"""How far a training is."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from viewfinder.design import Design


@dataclass
class Progress:
    """How far a training is.

    `epoch` is the one under way, from 1; `step` counts its optimizer steps done, over `images` images, in `seconds`.
    `loss_sum` is the sum of its images' losses, but for those of `skipped` steps. `together` is how many images of a
    step are computed at a time; 0: all. `trained_by` is the digest of the design. `rows` are those of epochs.csv.
    Patience is counted from epoch `since` on: a run that is extended after it stopped early gets a new one.
    """

    epoch: int = 1
    step: int = 0
    images: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    skipped: int = 0
    together: int = 0
    since: int = 0
    trained_by: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)

    def next_epoch(self, row: dict[str, Any]) -> None:
        """Close the epoch under way with its row."""
        self.rows.append(row)
        self.epoch += 1
        self.step, self.images, self.loss_sum, self.seconds, self.skipped = 0, 0, 0.0, 0.0, 0


def digest(design: Design) -> str:
    """Return a digest of what a design says of the training itself: all but where it runs and for how many epochs."""
    told = design.model_dump(mode="json", exclude={"runtime": True, "training": {"epochs"}})
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
