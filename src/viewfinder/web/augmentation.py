"""The Data augmentation tab of a design: its settings, and what they do to an image."""

import asyncio
from itertools import zip_longest
from typing import Any

from nicegui import background_tasks, ui

from viewfinder.design import Augmentation
from viewfinder.errors import OvertakenError, ViewfinderError
from viewfinder.service.library import previews
from viewfinder.web.editing import Editing
from viewfinder.web.frame import card, heading, off_loop

WORDS = {
    "color": "Brightness, contrast and hue",
    "affine": "Flips and rotation",
    "crop": "A random part of the image, enlarged to the whole",
}
MOST = 2  # pictures of a category's maximum
EPOCHS = 6
WARMING = "Warming up: the first pictures take a few seconds."


def augmentation(editing: Editing) -> None:
    """Build the tab; the number of the image that is shown stands in the address."""
    shown = Shown(editing)
    ui.label("Random changes of the training images, so that the model does not learn them by heart.").classes(
        "vf-soft"
    )
    shown.examples()
    with ui.grid().classes("w-full gap-4 grid-cols-1 md:grid-cols-3 items-start"):
        for category, what in WORDS.items():
            with card():
                heading(category.capitalize(), 2)
                ui.label(what).classes("vf-soft text-sm")
                shown.strongest(category)
                for name in type(getattr(editing.design.augmentation, category)).model_fields:
                    editing.setting(f"augmentation.{category}.{name}")
    editing.on_change(shown.refresh)
    shown.refresh()


class Figure:
    """A picture with its caption; its place is kept while it is made."""

    def __init__(self) -> None:
        with ui.element("figure") as self.element:
            with ui.element("div").classes("vf-none"):
                self.image = ui.element("img").props('alt=""')
            with ui.element("figcaption"):
                self.caption = ui.label()
        self.element.visible = False

    def expect(self, text: str | None) -> None:
        """Keep the place of a picture with this caption, or of none."""
        self.element.visible, self.caption.text = text is not None, text or ""

    def show(self, digest: str) -> None:
        """Show the picture; it is sent to the browser only if it is another one."""
        props: dict[str, Any] = {"src": f"/files/previews/{digest}.jpg", "alt": self.caption.text}
        if any(self.image.props.get(name) != value for name, value in props.items()):
            self.image.props.update(props)
            self.image.update()


class Shown:
    """The pictures on the tab: each keeps its place and gets another address when a setting has changed."""

    def __init__(self, editing: Editing) -> None:
        self.editing, self.library = editing, editing.library
        self.client = ui.context.client
        asked = self.client.request.query_params.get("image", "0")
        self.number = int(asked) if asked.isdecimal() else 0
        self.images: previews.Examples | None = None
        self.pictures: dict[str, list[Figure]] = {}

    def examples(self) -> None:
        """Show the original beside what the trainer makes of it in its first epochs."""
        with card():
            with ui.row().classes("w-full items-center justify-between"):
                heading("What the trainer sees", 2)
                ui.button("Change image", icon="shuffle", on_click=self._change).props("outline no-caps")
            self.state = ui.label().props("role=status").classes("vf-soft text-sm min-h-[1lh]")
            self.wrong = ui.label().props("role=alert").classes("vf-wrong text-sm")
            with ui.element("div").classes("vf-gallery vf-previews"):
                self.pictures["original"] = [Figure()]
                self.pictures["example"] = [Figure() for _ in range(EPOCHS)]

    def strongest(self, category: str) -> None:
        """Show the most that a category can do to the image."""
        with ui.element("div").classes("vf-gallery vf-previews"):
            self.pictures[category] = [Figure() for _ in range(MOST)]

    def refresh(self) -> None:
        """Ask for new pictures; they appear when they are there."""
        background_tasks.create(self._refresh(), name="previews")

    def _change(self) -> None:
        self.number += 1
        ui.navigate.history.replace(f"/analyses/{self.editing.analysis.id}?tab=augmentation&image={self.number}")
        self.refresh()

    async def _refresh(self) -> None:
        self._expect(said(self.editing.design.augmentation))
        self.state.text = "" if self.library.warm.state == "ready" else WARMING
        try:
            pictures = await self._asked()
        except OvertakenError:
            return  # a later change is on its way
        except ViewfinderError as error:
            self.state.text, self.wrong.text = "", str(error)
            self._expect({})
            return
        if not self.client.is_deleted:
            self.state.text = self.wrong.text = ""
            self._show(pictures)

    async def _asked(self) -> previews.Shown:
        self.library.warm.start()
        if self.images is None:
            self.images = await off_loop(previews.Examples, self.editing.index, self.editing.design)
        design = self.editing.design
        answer = await asyncio.wrap_future(self.images.ask(self.library, self.client.id, design, self.number))
        return previews.kept(self.library, answer)

    def _expect(self, captions: dict[str, list[str]]) -> None:
        for name, figures in self.pictures.items():
            for figure, text in zip_longest(figures, captions.get(name, ())):
                figure.expect(text)

    def _show(self, pictures: previews.Shown) -> None:
        found = {"original": (pictures.original,), "example": pictures.examples, **pictures.strongest}
        for name, figures in self.pictures.items():
            for figure, digest in zip(figures, found.get(name, ()), strict=False):
                figure.show(digest)


def said(augmentation: Augmentation) -> dict[str, list[str]]:
    """Return in words what each picture shows; a category that is off has none."""
    affine = augmentation.affine
    turn = f"{affine.max_rotation:g}° " if affine.rotate and affine.max_rotation else ""
    flips = [word for on, word in ((affine.horizontal_flip, "mirrored"), (affine.vertical_flip, "upside down")) if on]
    turned = [f"{turn}left"] if turn else []
    last = ", ".join([*([f"{turn}right"] if turn else []), *flips])
    strongest = {
        "color": ["All up", "All down"],
        "affine": [*turned, last] if last else [],
        "crop": [f"{augmentation.crop.min_kept_ratio:.0%} of the area"],
    }
    enabled = {name: texts for name, texts in strongest.items() if getattr(augmentation, name).enabled}
    return {"original": ["Original"], "example": [f"Epoch {epoch}" for epoch in range(1, EPOCHS + 1)], **enabled}
