"""The learning rate, early stopping and the best epoch as pure functions of what was measured so far.

Plateau follows `torch.optim.lr_scheduler.ReduceLROnPlateau` with its defaults (relative threshold 1e-4, no cool-down,
eps 1e-8), step and exponential follow `StepLR` and `ExponentialLR`; the tests compare against them.
"""

import math
from collections.abc import Sequence

from viewfinder.design import EarlyStopping, ExponentialSchedule, PlateauSchedule, Schedule, StepSchedule

PLATEAU_THRESHOLD = 1e-4
PLATEAU_EPS = 1e-8
WARMUP_START = 0.001
ROUNDING = 1e-12  # 0.7 - 0.6 falls short of 0.1 by less than this


def learning_rate(
    base: float, schedule: Schedule, warmup: bool, step: int, steps: int, metrics: Sequence[float], higher: bool = True
) -> float:
    """Return the rate of optimizer step `step` (0 … steps-1) of the epoch after those that gave `metrics`.

    The first epoch (no metrics yet) warms up linearly from base·0.001 to base; later ones keep the schedule's rate.
    `higher` says whether a higher metric is better.
    """
    if not metrics:
        return base * warmup_factor(step, steps) if warmup else base
    return scheduled_rate(base, schedule, metrics, higher)


def warmup_factor(step: int, steps: int) -> float:
    """Return the factor of step `step` of `steps` in the first epoch: 0.001 at the first, exactly 1 at the last."""
    return 1.0 if steps == 1 else WARMUP_START + (1 - WARMUP_START) * step / (steps - 1)


def scheduled_rate(base: float, schedule: Schedule, metrics: Sequence[float], higher: bool = True) -> float:
    """Return the rate after the epochs that gave `metrics`, one value each."""
    epochs = len(metrics)
    match schedule:
        case StepSchedule():
            return base * float(schedule.gamma ** (epochs // schedule.step_size))
        case ExponentialSchedule():
            return base * float(schedule.gamma**epochs)
        case PlateauSchedule():
            return _plateau_rate(base, schedule, metrics, higher)
        case _:
            return base


def _plateau_rate(base: float, schedule: PlateauSchedule, metrics: Sequence[float], higher: bool) -> float:
    rate, best, bad = base, (-math.inf if higher else math.inf), 0
    for metric in metrics:
        beaten = metric > best * (1 + PLATEAU_THRESHOLD) if higher else metric < best * (1 - PLATEAU_THRESHOLD)
        best, bad = (metric, 0) if beaten else (best, bad + 1)
        if bad > schedule.patience:
            bad = 0
            if rate - rate * schedule.factor > PLATEAU_EPS:
                rate *= schedule.factor
    return rate


def patience_left(stopping: EarlyStopping, metrics: Sequence[float], higher: bool = True, since: int = 0) -> int | None:
    """Return how many more epochs without an improvement are allowed; 0: stop now; None: early stopping is off.

    An epoch improves when it beats the last improvement by at least `min_delta`; a NaN never does. Bad epochs are
    counted from the one after epoch `since` on.
    """
    if not stopping.enabled:
        return None
    delta = float(stopping.min_delta)
    reference, bad = math.nan, 0
    for epoch, metric in enumerate(metrics, start=1):
        gain = metric - reference if higher else reference - metric
        improved = not math.isnan(metric) and (math.isnan(reference) or (gain >= delta - ROUNDING and gain > 0))
        reference, bad = (metric, 0) if improved else (reference, bad + (epoch > since))
    return max(0, stopping.patience - bad)


def best_epoch(metrics: Sequence[float], losses: Sequence[float], higher: bool = True) -> int | None:
    """Return the epoch, from 1, with the strictly best metric, ties by lower loss, then the earlier; None for no epoch.

    An undefined metric or loss (NaN) is worse than any number.
    """

    def rank(index: int) -> tuple[float, float]:
        metric, loss = metrics[index], losses[index]
        score = -math.inf if math.isnan(metric) else (metric if higher else -metric)
        return score, (-math.inf if math.isnan(loss) else -loss)

    return max(range(len(metrics)), key=rank) + 1 if metrics else None
