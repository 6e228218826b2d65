"""Run: a training as it goes, and what came of it."""

from typing import Any

from nicegui import run, ui

from viewfinder import tasks
from viewfinder.errors import InputError
from viewfinder.service.library import runs
from viewfinder.service.library.judged import Judged
from viewfinder.service.library.library import Library
from viewfinder.service.library.standing import Now, now
from viewfinder.store import Analysis
from viewfinder.web.chart import axis, chart, line
from viewfinder.web.frame import card, fact, heading, link_button, off_loop, page
from viewfinder.web.undo import delete_button
from viewfinder.words import score

REFRESH_S = 1.0
REFRESH_OVER_S = 5.0  # of a run that is over only the name changes, or it is resumed
MORE = 10  # epochs
AXES = (axis("epoch", min=0), axis(scale=True))
WORDS = {
    "queued": "Waiting for its turn",
    "running": "Training",
    "finished": "Finished",
    "stopped": "Stopped; the best model is kept",
    "failed": "Failed",
}


class RunPage:
    """A run that is being looked at in one browser."""

    def __init__(self, library: Library, first: Now, analysis: Analysis) -> None:
        self.library, self.now, self.analysis = library, first, analysis
        self.metric = first.watched.progress.metric

    async def build(self) -> None:
        """Build the page, and keep it up to date."""
        path = [(self.analysis.name, f"/analyses/{self.analysis.id}"), (self.now.row.name, f"/runs/{self.now.row.id}")]
        with page(self.now.row.name, path) as links:
            with ui.row().classes("w-full items-center justify-between"):
                self.names = [heading(self.now.row.name), links[-1]]
                with ui.row().classes("gap-2"):
                    self._buttons()
            self._standing()
            self._charts()
            with card():
                heading(f"The same images of the {self.split} split, judged after every epoch", 2)
                self.latest = Latest(self.now.row.id)
            self.told = 0
            self._show()
            self.timer = ui.timer(REFRESH_S, self._refresh)

    def _standing(self) -> None:
        """Build the card that says how the run stands."""
        with card():
            self.state = ui.label().classes("text-lg").props("role=status")
            self.bar = ui.linear_progress(0, show_value=False).props('aria-label="Progress"')
            with ui.row().classes("gap-8"):
                self.facts = {
                    name: fact(title, "–")
                    for name, title in (
                        ("epoch", "Epoch"), ("metric", f"Best {self.metric.title}"), ("speed", "Images/s"),
                        ("left", "Time left"), ("patience", "Patience left"),
                    )
                }  # fmt: skip
            self.better = ui.label()
            self.error = ui.label().classes("vf-wrong").props("role=alert")
            self.advice = ui.row().classes("gap-4")
            with self.advice:
                ui.link("Change the design", f"/analyses/{self.analysis.id}")
                ui.link("What the trainer wrote", f"/files/runs/{self.now.row.id}/log.txt", new_tab=True)

    def _charts(self) -> None:
        with ui.grid().classes("w-full gap-4 grid-cols-1 md:grid-cols-2"):
            with card():
                heading("Loss", 2)
                self.losses = chart([line("training", [], showSymbol=False), line(f"{self.split} split", [])], *AXES)
                _until(self.losses, "step")
            with card():
                heading(f"{self.metric.title} on the {self.split} split", 2)
                most = 1 if self.metric.higher_is_better else None
                self.metrics = chart([line(self.metric.title, [])], AXES[0], axis(scale=True, max=most))
                _until(self.metrics, "epoch")
            with card():
                heading("Learning rate", 2)
                self.rates = chart([line("learning rate", [], showSymbol=False)], AXES[0], axis())
                _until(self.rates, "step")
            with card():
                heading("Log", 2)
                self.log = ui.log(max_lines=200).classes("w-full h-52").props("tabindex=0")
                ui.link("What the trainer wrote", f"/files/runs/{self.now.row.id}/log.txt", new_tab=True)

    def _buttons(self) -> None:
        self.stop = ui.button("Stop", icon="stop", on_click=self._stop).props("outline no-caps")
        self.resume = ui.button("Resume", icon="play_arrow", on_click=lambda: self._resume()).props("outline no-caps")
        self.more = ui.button(f"Train {MORE} more epochs", icon="add", on_click=lambda: self._resume(MORE))
        self.more.props("outline no-caps")
        self.delete = delete_button(self.library, self.now.row, f"/analyses/{self.analysis.id}/runs")
        self.trial = link_button("Try it", f"/runs/{self.now.row.id}/try", "image_search")
        self.result = link_button("Result", f"/runs/{self.now.row.id}/result", "insights", "unelevated")

    @property
    def split(self) -> str:
        """The monitored split."""
        return self.now.info.dataset.monitored_split

    async def _refresh(self) -> None:
        try:
            self.now = await off_loop(now, self.library, self.now.row.id)
        except InputError as error:  # it was deleted
            self.error.text = str(error)
            self.timer.deactivate()
            return
        self._show()
        done = self.now.over and (self.now.reported or self.now.state == "failed")
        self.timer.interval = REFRESH_OVER_S if done else REFRESH_S

    def _show(self) -> None:
        progress, state = self.now.watched.progress, self.now.state
        over = self.now.over
        part = (progress.epoch - 1 + progress.step / max(progress.steps, 1)) / max(progress.epochs, 1)
        share = 1.0 if state == "finished" else max(0.0, part)
        self.state.text = WORDS[state] + (f": {self.now.info.reason}" if over and self.now.info.reason else "")
        if progress.judging and not over:
            split, done, images = progress.judging
            self.state.text = f"Judging the {split} images: {done:,} of {images:,}"
        self.bar.value = round(share, 3)
        left = progress.seconds_left()
        self.facts["epoch"].text = f"{progress.epoch} of {progress.epochs}" if progress.epoch else "–"
        self.facts["metric"].text = self._best()
        self.facts["speed"].text = f"{progress.images_per_second:.3g}" if progress.images_per_second else "–"
        self.facts["left"].text = "–" if over or not left else _minutes(left)
        self.facts["patience"].text = "–" if progress.patience_left is None else str(progress.patience_left)
        self.error.text = self.now.info.error or self.now.row.error or ""
        self.better.text = self._better()
        self.advice.visible = state == "failed"
        self.stop.visible, self.result.visible = not over, over and self.now.reported
        self.delete.visible = over
        self.trial.visible = self.now.info.best_epoch is not None
        self.resume.visible, self.more.visible = state in ("stopped", "failed"), state == "finished"
        for label in self.names:
            label.text = self.now.row.name
        title = self.now.row.name if over else f"{share:.0%} {self.now.row.name}"
        ui.page_title(f"{title} · Viewfinder")
        self._draw()
        self.latest.show(self.now.latest, self.now.info.best_epoch if over else None)
        for note in self.now.watched.notes[self.told :]:
            self.log.push(note)
        self.told = len(self.now.watched.notes)

    def _better(self) -> str:
        """Return how an epoch compares with guessing: the latest, and of a run that is over the one that is kept."""
        guess, row = self.now.guessing, self._epoch()
        if row is None:
            return ""
        kept = f"The model kept is that of epoch {row['epoch']}. " if self.now.over else ""
        value = row[f"{self.split}_{guess['metric']}"] if guess else None
        if guess is None or value is None:
            return kept
        name = tasks.get(self.now.task).metrics[guess["metric"]].title.lower()
        verdict = "Better" if value > guess["value"] else "No better"
        said = f"{verdict} than guessing: {name} {score(value)} against {score(guess['value'])}."
        return kept + said if kept else f"Epoch {row['epoch']}: {said[0].lower()}{said[1:]}"

    def _epoch(self) -> dict[str, Any] | None:
        """Return the row of the latest epoch, of a run that is over that of the kept one; None before the first."""
        epochs = self.now.epochs
        if self.now.over and epochs.height:
            kept = self.now.info.best_epoch
            epochs = epochs.filter(epochs["epoch"] == (0 if kept is None else kept))
        return epochs.row(-1, named=True) if epochs.height else None

    def _best(self) -> str:
        """Return the optimised metric in the best epoch so far, of a run that is over in the one that is kept."""
        kept, best = self._epoch() if self.now.over else None, self.now.watched.progress.best
        return score(kept[f"{self.split}_{self.metric.name}"] if kept else best[0] if best else None)

    def _draw(self) -> None:
        epochs = self.now.epochs
        numbers = epochs["epoch"].to_list() if epochs.height else []

        def column(name: str) -> list[list[Any]]:
            return [list(point) for point in zip(numbers, epochs[name], strict=True)] if numbers else []

        _plot(self.losses, [[list(p) for p in self.now.watched.steps], column(f"{self.split}_loss")])
        _plot(self.rates, [[list(p) for p in self.now.watched.rates]])
        _plot(self.metrics, [column(f"{self.split}_{self.metric.name}")])

    async def _resume(self, more: int = 0) -> None:
        try:
            await off_loop(runs.resume, self.library, self.now.row, more)
        except InputError as error:
            ui.notify(str(error), type="negative")
            return
        ui.navigate.to(f"/runs/{self.now.row.id}")

    async def _stop(self) -> None:
        try:
            await run.io_bound(runs.stop, self.library, self.now.row)
        except InputError as error:
            ui.notify(str(error), type="negative")
            return
        ui.notify("It stops after this step; the best model is kept.")


class Latest:
    """A few images that are judged anew after every epoch."""

    def __init__(self, run: str) -> None:
        self.run, self.epoch = run, 0
        self.words = ui.label("They are shown when the first epoch is done.").classes("vf-soft")
        self.gallery = ui.element("div").classes("vf-gallery")

    def show(self, judged: Judged | None, kept: int | None) -> None:
        """Show what an epoch says, if it is another, and say so where the epoch that is `kept` is another one."""
        epoch = int(judged.answers["epoch"][0]) if judged and judged.answers.height else 0
        if judged is None or not epoch:
            return
        last = f"After epoch {epoch}, the last one; the model kept is that of epoch {kept}."
        self.words.text = last if kept not in (None, epoch) else f"After epoch {epoch}."
        if epoch == self.epoch:
            return
        self.epoch = epoch
        self.gallery.clear()
        with self.gallery:
            for row in range(judged.answers.height):
                self._image(judged, row)

    def _image(self, judged: Judged, row: int) -> None:
        with ui.element("figure"):
            address = f"/files/runs/{self.run}/latest/{row}.jpg" + (f"?epoch={self.epoch}" if judged.detects else "")
            ui.element("img")._props |= {"src": address, "alt": str(judged.answers["image"][row])}
            with ui.element("figcaption"):
                if not judged.detects:
                    truth, said = judged.answers["label"][row], judged.answers["prediction"][row]
                    right = "right" if truth == said else "wrong"
                    ui.label(f"{said} ({judged.confidence[row]:.0%})").classes(f"vf-said vf-said-{right}")
                    ui.label("right" if truth == said else f"it is {truth}")


def _until(chart: ui.echart, what: str) -> None:
    """Say in place of an empty chart when it is drawn."""
    label = ui.label(f"Drawn when the first {what} is done.").classes("vf-soft")
    label.bind_visibility_from(chart, "visible", backward=lambda drawn: not drawn)


def _plot(chart: ui.echart, data: list[list[Any]]) -> None:
    """Update a chart if its data changed: an update sends all of it. One without data is not shown."""
    chart.visible = any(data)
    series = chart.options["series"]
    if [one["data"] for one in series] != data:
        for one, points in zip(series, data, strict=True):
            one["data"] = points
        chart.update()


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


async def live(library: Library, identity: str) -> None:
    """Build the page of a run."""
    first = await off_loop(now, library, identity)
    analysis = await off_loop(library.get, Analysis, first.row.analysis_id)
    await RunPage(library, first, analysis).build()
