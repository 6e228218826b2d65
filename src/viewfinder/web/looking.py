"""What of a result is looked at, as the address says it."""

from dataclasses import dataclass, replace
from typing import Any, get_args
from urllib.parse import urlencode

from viewfinder.service.library.judged import Judged, Order, View, Wanted


@dataclass(frozen=True)
class Looking:
    """What of a result is looked at; None: nothing in particular. `image` is a row of the test images.

    `every` asks for all test images, `mistakes` for those in which the model is wrong.
    """

    truth: str | None = None
    predicted: str | None = None
    mistakes: bool = False
    every: bool = False
    order: str = "confidence"
    page: int = 1
    threshold: float | None = None
    iou: float | None = None
    image: int | None = None

    def view(self, judged: Judged) -> View | None:
        """Return how a detector's boxes are judged; None for other tasks."""
        return judged.view(self.threshold, self.iou)

    @property
    def wanted(self) -> Wanted:
        """Which images are looked at."""
        order: Any = self.order if self.order in get_args(Order) else "confidence"
        return Wanted(self.truth, self.predicted, self.mistakes, order)

    @property
    def at_images(self) -> bool:
        """Whether images are looked at."""
        return self.every or self.mistakes or any(one is not None for one in (self.truth, self.predicted, self.image))

    @property
    def words(self) -> str:
        """Which images these are, in words."""
        if self.truth is None and self.predicted is None:
            return "All mistakes" if self.mistakes else "All test images"
        return f"{self.truth or 'Anything'} taken for {self.predicted or 'anything'}"

    def address(self, run: str, place: str = "result", **changes: Any) -> str:
        """Return the address of a run's page that looks so, with changes."""
        default = Looking()
        given = {key: value for key, value in vars(replace(self, **changes)).items() if value != getattr(default, key)}
        query = urlencode({key: int(value) if value is True else value for key, value in given.items()})
        return f"/runs/{run}/{place}" + (f"?{query}" if query else "")
