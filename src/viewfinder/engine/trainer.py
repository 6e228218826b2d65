"""The trainer: one for every task and model. It reads and writes nothing but the run folder and the images."""

import math
import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import torch
from torch import nn, optim

from viewfinder import catalogue, events, report, tasks
from viewfinder.design import Design
from viewfinder.engine import build, choices, device, layers, near_copies, optimizers, saved, telling
from viewfinder.engine.checkpoint import Checkpoint, note_lack, restored
from viewfinder.engine.course import Course
from viewfinder.engine.examples import Example, Item, LoadingEnded
from viewfinder.engine.feed import Feed
from viewfinder.engine.group import Group, synchronised
from viewfinder.engine.judge import Judgement, followed, judge, merged
from viewfinder.engine.learning import Learner, TooLarge
from viewfinder.engine.order import Order
from viewfinder.engine.progress import digest
from viewfinder.engine.step import Steps
from viewfinder.engine.task import Batch, TaskEngine, engine_of
from viewfinder.engine.telling import EVERY_S, Clock, Teller
from viewfinder.engine.transfer import Ahead
from viewfinder.engine.versions import versions
from viewfinder.errors import RunError, TrainingError
from viewfinder.home import default_home
from viewfinder.run import Choices, ModelInfo, RunFolder
from viewfinder.words import plural

SIGNALS_S = 1.0  # within which a signal reaches all processes of a training
MOST_SKIPPED = 3  # steps of an epoch whose loss is not finite


class StopRequested(Exception):  # noqa: N818 - it is no error
    """The file `stop` has appeared."""


class Trainer:
    """A training under way: network, optimizer, data and progress of one run.

    `on_device`: whether the device augments the images; None: as it suits the device. `group` are the processes that
    train the run together: all of them take the same steps and decisions, and the one that leads writes.
    """

    def __init__(self, run: RunFolder, clock: Clock, on_device: bool | None = None, group: Group | None = None) -> None:
        self.run, self.clock, self.began, self.tell = run, clock, clock(), Teller(run, clock)
        self.group = group or Group()
        self.info = run.info()
        self.design, self.choices = self._resolved(run.design())
        self.training = self.design.training
        self.row = catalogue.get(self.training.model)
        self.metric = tasks.get(self.design.task).metrics[self.design.metrics.optimize]
        self.device = device.own(self.design.runtime.devices, self.group.rank)
        self.monitored = self.info.dataset.monitored_split
        self.batch_norm = "live" if self.training.weights == "none" else "frozen"
        self.task = self._task()
        rows, files = run.split(), run.files()
        rows = rows if files is None else rows.join(files, on="image", how="left", maintain_order="left")
        self.splits = {str(name): some for (name,), some in rows.group_by("split", maintain_order=True)}
        self.items = self._items("train")
        batch = int(self.training.batch_size) * self.group.size
        self.order = Order(self.items, self.task.recipe(), batch, self.design.runtime.seed)
        self.network = self._network()
        on_device = device.changes_images(self.device) if on_device is None else on_device
        of_feed = self.network, self.row, self.task, self.design, default_home()
        self.feed = Feed(*of_feed, self.choices.streams, on_device, self.tell.note)
        self.ahead = Ahead(self.device)
        self.optimizer = self._optimizer()
        self.steps = self._steps_of(self.optimizer)
        self.progress = restored(run, self.network, self.steps)
        self.course = Course(self.progress, self.training, self.metric, self.monitored)
        self.checkpoint = Checkpoint(run, self.network, self.steps, self.progress, clock)
        seed = self.design.runtime.seed
        steps = self.steps, self.progress, seed, self.group
        self.learner = Learner(self.training, self.row, self.task, self.feed, *steps)
        self.course.extend_patience()

    # -- set-up -------------------------------------------------------------------------------------------------------

    def _resolved(self, design: Design) -> tuple[Design, Choices]:
        self.asked_for, row = design.runtime, catalogue.get(design.training.model)
        design = design.model_copy(update={"runtime": device.resolve(self.asked_for)})
        of_design = self.asked_for, design, row, default_home(), self.tell.note
        return choices.settle(self.run, *of_design, group=self.group)

    @property
    def batch_norm_learns(self) -> bool:
        """Whether batch norms take statistics of the images that are learned from."""
        return self.batch_norm == "live" or (not self.task.keep_statistics and int(self.training.retrained_layers) > 0)

    def _task(self) -> TaskEngine:
        classes = self.info.dataset.classes
        return engine_of(self.design.task)(self.row, int(self.training.input_size), classes, self.device)

    def _items(self, split: str) -> list[Item]:
        if split not in self.splits:
            raise RunError(f"The run '{self.run.path}' has no images in its {split} split.")
        return self.task.items(Path(self.info.dataset.root), self.splits[split])

    def _network(self) -> nn.Module:
        torch.manual_seed(self.design.runtime.seed)
        network = build.network(self.row, len(self.info.dataset.classes), self.batch_norm)
        if self.info.weights:
            build.load_pretrained(network, self.row, Path(self.info.weights))
        layers.freeze(network, self.row, int(self.training.retrained_layers))
        return synchronised(network.to(self.device), self.group, self.device)

    def _optimizer(self) -> optim.Optimizer:
        learned = [p for p in self.network.parameters() if p.requires_grad]
        rate, decay = float(self.training.learning_rate), float(self.training.weight_decay)
        scaled = self.design.runtime.precision == "fp16"
        return optimizers.make(self.training.optimizer, learned, rate, decay, scaled)

    def _steps_of(self, optimizer: optim.Optimizer) -> Steps:
        clip = None if self.training.gradient_clip == "none" else float(self.training.gradient_clip)
        return Steps(optimizer, self.device, self.design.runtime.precision, clip)

    # -- the run ------------------------------------------------------------------------------------------------------

    def train(self) -> str:
        """Train until the last epoch, early stopping, or a request to stop; write the report."""
        if self.training.class_weights == "balanced":
            self.task.balance(self.items)
        self._start()
        with self.feed:
            if self.feed.trouble:
                self.tell.note(f"The frozen layers are computed by torch: OpenVINO cannot ({self.feed.trouble}).")
            try:
                reason = self._epochs()
                if self.monitored != "test" and "test" in self.splits:
                    self._test()
                self._look_for_copies()
            except StopRequested:
                return self._stopped()
        return self._finished(reason)

    def _start(self) -> None:
        self.run.write_epochs(self.progress.rows)
        name, devices = device.name(self.device), self.design.runtime.devices
        if self.group.size > 1:
            name = f"{name}, {self.group.size} processes"
            if self.device.type == "cpu" and self.batch_norm_learns:
                self.tell.note(telling.SEPARATE_STATISTICS)
        self.info = self.run.update(
            status="running", started=self.info.started or self.began, ended=None, error=None, reason=None,
            versions=versions(), device=devices, device_name=name,
        )  # fmt: skip
        if self.progress.trained_by not in {"", design := digest(self.design)}:
            self.tell.note(telling.CHANGED.format(self.progress.epoch))
        self.progress.trained_by = design
        wanted, used = self.asked_for, self.design.runtime
        if wanted.devices not in {"auto", devices}:
            self.tell.note(f"There is no {wanted.devices} on this machine: {devices} is used.")
        if wanted.precision not in {"auto", used.precision}:
            self.tell.note(f"Nothing but a GPU trains in {wanted.precision}: {used.precision} is used.")
        learned = sum(p.numel() for p in self.network.parameters() if p.requires_grad)
        self.run.append(
            events.Started(
                time=self.clock(), epoch=self.progress.epoch, epochs=int(self.training.epochs),
                steps=self.order.steps,
                images=len(self.items), monitored_split=self.monitored, device=name,
                parameters=(learned, sum(p.numel() for p in self.network.parameters())),
            )
        )  # fmt: skip

    def _epochs(self) -> str:
        """Train epoch after epoch; return why the training is complete."""
        while True:
            if self.course.patience_left == 0:
                stopping = self.training.early_stopping
                return (
                    f"{self.metric.title} did not improve by {stopping.min_delta} "
                    f"within {stopping.patience} epochs (early stopping)"
                )
            if self.progress.epoch > int(self.training.epochs):
                return f"the limit of {plural(int(self.training.epochs), 'epoch')} was reached"
            try:
                self._steps()
                self._end_epoch()
            except TooLarge:
                if self.group.size > 1:
                    note_lack(self.run, self.progress.together)
                    raise
                self.checkpoint.save()
                self.run.update(seconds=self.info.seconds + self.clock() - self.began)
                raise
            except (StopRequested, LoadingEnded) as error:
                if isinstance(error, LoadingEnded) and not self._is_told_to_stop():
                    raise
                self.checkpoint.save()
                raise StopRequested from None

    def _obey(self) -> None:
        """Raise StopRequested if the file `stop` has appeared; it is for this process alone to ask."""
        if self.run.stop_requested:
            raise StopRequested

    def _is_told_to_stop(self) -> bool:
        """Return whether this process, too, is told to stop: a signal to all of them may reach it last."""
        end = time.monotonic() + SIGNALS_S
        while not self.run.stop_requested and time.monotonic() < end:
            time.sleep(0.05)
        return self.run.stop_requested

    def _steps(self) -> None:
        """Take the remaining optimizer steps of the epoch."""
        progress, batches, told = self.progress, self.order.batches(self.progress.epoch), -math.inf
        began = self.clock() - progress.seconds
        load, view = self.feed.training(self.items), self.feed.view(progress.epoch)
        shares = [self.group.share(batch) for batch in batches[progress.step :]]
        for batch in self.ahead(self._batch, load(shares, view)):
            if self.group.any(self.run.stop_requested):
                raise StopRequested
            rate = self.course.rate(progress.step, len(batches))
            self._learn(batch, rate)
            progress.step, progress.seconds = progress.step + 1, self.clock() - began
            if progress.step == len(batches) or self.clock() - told >= EVERY_S:
                told = self.clock()
                self.tell.step(progress, rate, len(batches))
            self.checkpoint.save_if_due()

    def _batch(self, examples: Sequence[Example]) -> Batch | None:
        """Return what could be read of a batch, on the device; None: nothing."""
        readable = self.tell.readable(examples)
        return self.task.batch(readable) if readable else None

    def _learn(self, batch: Batch | None, rate: float) -> None:
        """Take one optimizer step, unless its loss is not finite."""
        loss, images = self.learner.learn(batch, rate, self.tell)
        if math.isfinite(loss):
            self.progress.loss_sum += loss * images
            self.progress.images += images
        else:
            self._skip(loss, rate)

    def _skip(self, loss: float, rate: float) -> None:
        """Count a step whose loss is not finite, and end the training after more than a few of them."""
        progress = self.progress
        progress.skipped += 1
        if progress.skipped > MOST_SKIPPED:
            raise self._diverged(loss, f"step {progress.step + 1}, and in {MOST_SKIPPED} steps before", rate)
        self.tell(
            events.Skipped, epoch=progress.epoch, step=progress.step + 1, loss=loss, learning_rate=rate,
            skipped=progress.skipped, most=MOST_SKIPPED,
        )  # fmt: skip

    def _diverged(self, loss: float, where: str, rate: float) -> TrainingError:
        best = self.course.best_epoch
        kept = f"The model of epoch {best}, the best so far, is kept." if best else "No epoch was finished before."
        return TrainingError(
            f"The loss became {loss} in epoch {self.progress.epoch}, {where}, at a learning rate of {rate:.3g}. {kept} "
            "Try a lower training.learning_rate, or training.gradient_clip=1."
        )

    # -- the end of an epoch ------------------------------------------------------------------------------------------

    def _end_epoch(self) -> None:
        """Judge the monitored split, keep the model if it is the best so far, save the checkpoint, tell."""
        progress = self.progress
        if not progress.images and not progress.skipped:
            raise TrainingError(
                "None of the training images can be read any more. See the diagnostics in events.jsonl."
            )
        epoch = progress.epoch
        rate = self.course.rate(self.order.steps - 1, self.order.steps)
        judgement = self._judge(self.monitored)
        if math.isnan(judgement.loss):
            raise self._diverged(judgement.loss, f"on the {self.monitored} split", rate)
        measures = self.task.measure(self.splits[self.monitored], judgement.predictions, None)
        metrics = {name: measures["metrics"][name] for name in tasks.get(self.design.task).metrics}
        row = {
            "epoch": epoch,
            "learning_rate": rate,
            "train_loss": progress.loss_sum / progress.images if progress.images else math.nan,
            f"{self.monitored}_loss": judgement.loss,
            **{f"{self.monitored}_{name}": value for name, value in metrics.items()},
            "seconds": round(progress.seconds, 3),
            "images_per_second": round(progress.images / max(progress.seconds, 1e-9), 3),
        }
        progress.next_epoch(row)
        self.run.write_latest(
            judgement.predictions.filter(
                pl.col("image").is_in(followed(self.splits[self.monitored]["image"].to_list()))
            ),
            epoch,
        )
        best = self.course.best_epoch == epoch
        if best:
            self._keep(judgement, measures.get("threshold"))
        self.checkpoint.save()
        self.run.write_epochs(progress.rows)
        self.run.update(epochs_done=epoch)
        self.tell(
            events.Epoch, epoch=epoch, learning_rate=rate, train_loss=row["train_loss"], loss=judgement.loss,
            metrics=metrics, best=best, patience_left=self.course.patience_left, seconds=row["seconds"],
            images_per_second=row["images_per_second"],
        )  # fmt: skip

    def _judge(self, split: str) -> Judgement:
        told = self.clock()

        def progress(done: int, images: int) -> None:
            nonlocal told
            self._obey()
            if self.clock() - told >= EVERY_S:
                told = self.clock()
                self.tell(events.Evaluating, split=split, done=done, images=images)

        items = self._items(split)
        self.group.follow(self.network)
        network, load = self.feed.judging_network(), self.feed.judging(split, items)
        try:
            part = judge(network, self.task, self.group.each_nth(items), load, progress, self.feed.judged_with[0])
        except StopRequested:
            part = None
        parts = self.group.gathered(part)
        if part is None or None in parts:
            raise StopRequested
        self.tell.readable(part.unreadable)
        judgement = merged([one for one in parts if one], self.splits[split]["image"])
        if not len(judgement.predictions):
            raise TrainingError(f"None of the images of the {split} split can be read any more.")
        return judgement

    def _keep(self, judgement: Judgement, threshold: float | None) -> None:
        """Make this epoch's network the run's model."""
        saved.write(self.run, self.network, self._model_info(threshold))
        if self.monitored == "test":
            self.run.write_predictions(judgement.predictions)
        self.info = self.run.update(best_epoch=self.course.best_epoch, threshold=threshold, optimum=threshold)

    def _model_info(self, threshold: float | None) -> ModelInfo:
        data, epoch = self.info.dataset, len(self.progress.rows)
        precision, engine = self.feed.judged_with
        provenance = {
            "run": self.run.path.name, "weights": self.info.weights_origin, "dataset": data.name,
            "fingerprint": data.fingerprint, "split": self.monitored, "versions": versions(),
            "design": self.design.model_dump(mode="json"),
        }  # fmt: skip
        return ModelInfo(
            model=self.row.name, task=self.design.task, classes=data.classes, input_size=int(self.training.input_size),
            mean=self.row.mean, std=self.row.std, batch_norm="live" if self.batch_norm == "live" else "frozen",
            threshold=threshold, precision=precision, engine=engine, epoch=epoch, provenance=provenance,
        )  # fmt: skip

    def _test(self) -> None:
        """Judge the test split, once, with the best model."""
        self.group.wait()  # for the one that writes the model
        self.network.load_state_dict(saved.read(self.run.model_path(), self.device)[0].state_dict())
        self.run.write_predictions(self._judge("test").predictions)

    def _look_for_copies(self) -> None:
        """Tell of test images that the training images hold nearly the same, once."""
        if self.run.leads and self.info.near_copies is None and "test" in self.splits:
            judged = self._items("test")
            try:
                count = near_copies.tell_of(judged, self.items, self.feed.each, self.tell, self._obey)
            except LoadingEnded as error:
                self.tell.note(f"Near copies of test images were not looked for: {error}")
                return
            self.info = self.run.update(near_copies=count)

    # -- the end of the run -------------------------------------------------------------------------------------------

    def _stopped(self) -> str:
        reason = f"stopped on request in epoch {self.progress.epoch}"
        self._close("stopped", reason)
        self.tell(events.Stopped, reason=reason)
        self.run.clear_stop()
        return "stopped"

    def _finished(self, reason: str) -> str:
        if left := {name for some in self.group.gathered(self.tell.left_out) for name in some}:
            self.tell.note(telling.left_out(left))
        self._close("finished", reason)
        best = self.course.best_epoch or 0
        row, names = self.progress.rows[best - 1], tasks.get(self.design.task).metrics
        metrics = {name: row[f"{self.monitored}_{name}"] for name in names}
        self.tell(events.Finished, reason=reason, best_epoch=best, metrics=metrics)
        return "finished"

    def _close(self, status: str, reason: str) -> None:
        """Write the report, and only then say in run.json that this is over: what is killed before goes on."""
        ended = self.clock()
        info = self.run.changed_info(
            status=status, reason=reason, ended=ended, seconds=self.info.seconds + ended - self.began,
            epochs_done=len(self.progress.rows), best_epoch=self.course.best_epoch,
        )  # fmt: skip
        if self.run.leads:
            report.write(self.run, info=info)
        self.run.write_info(info)
