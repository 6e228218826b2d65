"""Plain pages: HTML that is sent as it is, without scripts, and costs nothing after that."""

import functools
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
}


def plain_page(template: str, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> HTMLResponse:
    """Return a page made from one of the templates beside this file."""
    content = _templates().get_template(template).render(values)
    return HTMLResponse(content, status, headers={**HEADERS, **(headers or {})})


def not_found() -> HTMLResponse:
    """Return the page for an address that has none."""
    said = "The address has a mistake in it, or what it led to was deleted."
    return plain_page("plain.html", 404, title="There is no such page", text=said)


@functools.cache
def _templates() -> Environment:
    return Environment(loader=PackageLoader("viewfinder", "web"), autoescape=True, undefined=StrictUndefined)
