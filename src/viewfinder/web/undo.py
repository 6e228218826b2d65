"""Delete and Undo: what is deleted goes to the trash, and the page that follows offers to take it out again."""

from collections.abc import Sequence
from urllib.parse import quote

from nicegui import ui

from viewfinder.errors import InputError
from viewfinder.service.library import trash
from viewfinder.service.library.library import Library
from viewfinder.web.frame import card, off_loop
from viewfinder.words import plural


def delete_button(library: Library, row: trash.Trashable, address: str, look: str = "flat") -> ui.button:
    """Show a button that moves something to the trash; `address` is the page that follows."""

    async def pressed() -> None:
        await delete(library, [row], address)

    button = ui.button("Delete", icon="delete", on_click=pressed).props(f"{look} no-caps")
    button._props["aria-label"] = f"Delete {row.name}"
    return button


async def delete(library: Library, rows: Sequence[trash.Trashable], address: str) -> None:
    """Move things to the trash, and go on to `address`, which shows them with Undo; say what cannot be deleted."""
    done, wrong = await off_loop(_discard, library, rows)
    for message in wrong:
        ui.notify(message, type="negative", timeout=10_000, close_button="Close")
    if done:
        joined = quote(",".join(f"{item.kind}:{item.id}" for item in done))
        ui.navigate.to(f"{address}?trashed={joined}")


def _discard(library: Library, rows: Sequence[trash.Trashable]) -> tuple[list[trash.Item], list[str]]:
    done, wrong = [], []
    for row in rows:
        try:
            done.append(trash.discard(library, row))
        except InputError as error:
            wrong.append(str(error))
    return done, wrong


async def undo_bar(library: Library, trashed: str | None, address: str) -> None:
    """Say what of `trashed`, as it stands in the address, is in the trash, with a button to take it out again."""
    wanted = {tuple(one.split(":", 1)) for one in (trashed or "").split(",")}
    items = [item for item in await off_loop(trash.items, library) if (item.kind, item.id) in wanted] if trashed else []
    if not items:
        return

    async def undo() -> None:
        for item in items:
            try:
                await off_loop(trash.restore, library, item.kind, item.id)
            except InputError as error:
                ui.notify(str(error), type="negative")
        ui.navigate.to(address)

    with card("!flex-row items-center justify-between no-wrap"):
        what = f"'{items[0].name}'" if len(items) == 1 else plural(len(items), items[0].kind)
        text = f"{what} {'is' if len(items) == 1 else 'are'} in the trash for 7 days."
        ui.label(text).props("role=status")
        ui.button("Undo", icon="undo", on_click=undo).props("unelevated no-caps no-wrap").classes("shrink-0")
