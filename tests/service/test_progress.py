"""Where a training stands, from a hand-written sequence of events."""

import pytest

from viewfinder.design import Design, resolve
from viewfinder.events import Epoch, Evaluating, Started, Step
from viewfinder.service.progress import TrainingProgress


def epoch(number, value, best, left, seconds=20.0):
    return Epoch(
        time=1000 + 30 * number, epoch=number, learning_rate=1e-3, train_loss=1.0, loss=1.1,
        metrics={"roc_auc": value}, best=best, patience_left=left, seconds=seconds, images_per_second=5.0,
    )  # fmt: skip


def step(number, done, time=0.0, speed=10.0):
    return Step(time=time, epoch=number, step=done, steps=10, loss=0.7, learning_rate=1e-3, images_per_second=speed)


@pytest.fixture
def progress():
    progress = TrainingProgress.of(resolve(Design.model_validate({"training": {"epochs": 4}})))
    progress.add(
        Started(
            time=1000, epoch=1, epochs=4, steps=10, images=100, monitored_split="test", device="cpu", parameters=(1, 2)
        )
    )
    return progress


def test_nothing_is_promised_before_the_first_step(progress):
    assert progress.seconds_left() is None
    assert (progress.epoch, progress.epochs, progress.metric.name, progress.patience_left) == (1, 4, "roc_auc", 5)


def test_in_the_first_epoch_the_time_left_follows_from_the_steps_after_the_first(progress):
    progress.add(step(1, 1, time=1060.0, speed=0.2))  # the first takes a minute, the others two seconds
    assert progress.seconds_left() is None
    progress.add(step(1, 2, time=1062.0, speed=0.3))
    assert progress.seconds_left() is None
    progress.add(step(1, 5, time=1068.0, speed=0.7))
    assert progress.seconds_left() == pytest.approx(3.5 * 10 * 2)
    assert (progress.step, progress.steps, progress.loss) == (5, 10, 0.7)


def test_slow_steps_tell_the_time_left_after_some_seconds(progress):
    progress.add(step(1, 1, time=1060.0))
    progress.add(step(1, 2, time=1080.0))
    assert progress.seconds_left() == pytest.approx(3.8 * 10 * 20)


def test_later_it_follows_from_how_long_epochs_took_with_their_judging(progress):
    progress.add(step(1, 10))
    progress.add(Evaluating(time=0, split="test", done=3, images=20))
    assert progress.judging == ("test", 3, 20)
    progress.add(epoch(1, 0.8, True, 5))
    assert progress.judging is None
    assert progress.seconds_left() == pytest.approx(3 * 30)
    progress.add(step(2, 5))
    assert progress.seconds_left() == pytest.approx(2.5 * 30)


def test_best_and_patience(progress):
    for event in (epoch(1, 0.8, True, 5), epoch(2, None, False, 4), epoch(3, 0.7, False, 3)):
        progress.add(event)
    assert progress.best == (0.8, 1)
    assert (progress.value, progress.patience_left) == (0.7, 3)
    progress.add(epoch(4, 0.9, True, 5))
    assert progress.best == (0.9, 4)
    assert progress.seconds_left() == 0
