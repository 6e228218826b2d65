"""What every page has: the header, the place for its content, and the look."""

import json
from asyncio import CancelledError
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

from nicegui import run, ui

from viewfinder.web.guard import caller_of
from viewfinder.web.leaving import leave_with_session

Given = ParamSpec("Given")
Result = TypeVar("Result")

PLACES = (("Models", "/models"), ("System", "/system"))
STYLE = Path(__file__).with_name("style.css")

# Text that is laid out in another font moves what is beside it when its own comes. After 3 s it is shown all the same.
SHOWN_WITH_FONT = """<style>html:not(.vf-font) #app { visibility: hidden }</style>
<script>
    Promise.race([document.fonts.load("1em Roboto"), new Promise((late) => setTimeout(late, 3000))])
        .catch(() => {}).then(() => document.documentElement.classList.add("vf-font"));
</script>"""


@contextmanager
def page(title: str, path: Sequence[tuple[str, str]] = ()) -> Iterator[list[ui.link]]:
    """Lay out a page; `path` holds (text, address) of the pages above it. Give the links to them."""
    above = []
    ui.page_title(f"{title} · Viewfinder")
    ui.add_css(STYLE)
    ui.add_head_html(SHOWN_WITH_FONT)
    ui.colors(primary="#2563c9")
    with ui.header().classes("vf-header shadow-none items-center no-wrap q-py-sm"):
        ui.link("Viewfinder", "/").classes("text-lg font-bold")
        with ui.row().classes("vf-path items-center no-wrap grow"):
            for text, address in path:
                ui.label("/").classes("vf-soft")
                above.append(ui.link(text, address))
        _places()
    with ui.column().classes("vf-page gap-5"):
        yield above


def _places() -> None:
    """Show where else one can go: in a row, in a narrow window behind a button. The browser opens and closes it."""
    with ui.element("button").classes("vf-menu").props('type=button popovertarget=places aria-label="Menu"'):
        ui.icon("menu", size="sm").props("aria-hidden=true")
    with ui.element("nav").classes("vf-places").props('popover=auto id=places aria-label="Places"'):
        for text, address in PLACES:
            ui.link(text, address)
        _sign_out()


def _sign_out() -> None:
    """Offer to sign out, to those who have signed in."""
    if caller_of(ui.context.client.request.scope).session is None:
        return
    with ui.element("form").props("method=post action=/sign-out"):
        ui.button("Sign out", icon="logout", color=None).props("type=submit flat dense no-caps")
    leave_with_session()


async def off_loop(work: Callable[Given, Result], *args: Given.args, **options: Given.kwargs) -> Result:
    """Do in a thread what reads or writes: the event loop is everybody's."""
    result = await run.io_bound(lambda: (work(*args, **options),))
    if result is None:  # the server is closing
        raise CancelledError
    return result[0]


def heading(text: str, level: int = 1) -> ui.label:
    """Write a heading; return the label that holds its text."""
    with ui.element(f"h{level}"):
        return ui.label(text)


def go_quietly(address: str) -> None:
    """Have the browser show an address of this server, so that a reload shows what is shown now."""
    ui.run_javascript(f"history.replaceState(null, '', {json.dumps(address)})")


@contextmanager
def card(*classes: str) -> Iterator[None]:
    """Draw a card around what follows."""
    with ui.column().classes(" ".join(["vf-card w-full gap-3", *classes])):
        yield


@contextmanager
def titled_dialog(title: str, *classes: str) -> Iterator[ui.dialog]:
    """Lay out a dialog under its title, which also names it to those who do not see it."""
    with ui.dialog() as dialog, card(*classes):
        dialog.props["aria-label"] = title
        heading(title, 2)
        yield dialog


def link_button(text: str, address: str, icon: str, look: str = "outline") -> ui.button:
    """Show a link that looks like a button."""
    return ui.button(text, icon=icon).props(f"{look} no-caps tag=a href={address} role=link")


def fact(name: str, value: str) -> ui.label:
    """Show a number large, with its name; return the label that holds it."""
    with ui.column().classes("gap-0"):
        ui.label(name).classes("vf-soft text-sm")
        return ui.label(value).classes("vf-number")
