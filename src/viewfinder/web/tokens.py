"""API tokens, as the System page has them: made, shown once, listed, revoked."""

from collections.abc import Callable
from functools import partial

from nicegui import ui

from viewfinder.errors import InputError
from viewfinder.report.html import moment
from viewfinder.service.library import access
from viewfinder.service.library.access import NewToken
from viewfinder.service.library.library import Library
from viewfinder.store import Token
from viewfinder.web.frame import card, heading, off_loop, titled_dialog

WHAT = "Programs on other machines sign in with a token; each has a name that says what it is for."


class Tokens:
    """The section of the page."""

    def __init__(self, library: Library, tokens: list[Token]) -> None:
        self.library, self.tokens = library, tokens

    def build(self) -> None:
        """Build it."""
        with card():
            heading("API tokens", 2)
            ui.label(WHAT).classes("vf-soft")
            with ui.row().classes("w-full items-center gap-3"):
                self.name = ui.input("What the token is for").props("outlined dense").classes("grow")
                self.name.on("keydown.enter", self._create)
                ui.button("Create a token", icon="add", on_click=self._create).props("outline no-caps")
            self.wrong = ui.label().classes("vf-wrong").props("role=alert")
            self.made = ui.column().classes("w-full gap-2").props("role=status")
            self.listed = ui.column().classes("w-full gap-2")
        self._list()

    def _list(self) -> None:
        self.listed.clear()
        with self.listed:
            for token in self.tokens:
                _row(token, partial(self._confirm, token))

    async def _refresh(self) -> None:
        self.tokens = await off_loop(access.tokens, self.library)
        self._list()

    async def _create(self) -> None:
        self.wrong.text = ""
        try:
            made = await off_loop(access.create, self.library, self.name.value or "")
        except InputError as error:
            self.wrong.text = str(error)
            return
        self.name.value = ""
        self.made.clear()
        with self.made:
            _secret(made)
        await self._refresh()

    def _confirm(self, token: Token) -> None:
        """Ask first: this cannot be undone."""

        async def revoke() -> None:
            dialog.close()
            try:
                await off_loop(access.revoke, self.library, token.id)
            except InputError as error:
                ui.notify(str(error), type="negative")
            self.made.clear()
            await self._refresh()

        with titled_dialog(f"Revoke '{token.name}'?") as dialog:
            ui.label("Programs that use it are let in no more. This cannot be undone.")
            with ui.row().classes("w-full justify-end"):
                ui.button("Cancel", on_click=dialog.close).props("flat no-caps autofocus")
                ui.button("Revoke", on_click=revoke).props("unelevated no-caps color=negative")
        dialog.open()


def _row(token: Token, revoke: Callable[[], None]) -> None:
    used = f"used {moment(token.used)}" if token.used else "never used"
    with ui.row().classes("w-full items-center gap-x-3 gap-y-1"):
        ui.label(token.name).classes("font-bold vf-cell")
        ui.label(f"made {moment(token.created)}, {used}").classes("vf-soft grow")
        button = ui.button("Revoke", on_click=revoke).props("flat dense no-caps")
        button._props["aria-label"] = f"Revoke {token.name}"


def _secret(made: NewToken) -> None:
    """Show the secret of a token, this once."""

    def copy() -> None:
        ui.clipboard.write(made.secret)
        ui.notify("Copied.")

    ui.label(f"Copy the token '{made.row.name}' now: it is shown only this once.")
    with ui.row().classes("w-full items-center gap-3"):
        ui.label(made.secret).classes("vf-code vf-command grow")
        ui.button("Copy", icon="content_copy", on_click=copy).props("unelevated no-caps")
