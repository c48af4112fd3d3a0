"""The one template environment of all pages: everything is escaped, and a name that is missing is an error."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from ponder.printable import printable


@cache
def environment() -> Environment:
    """Templates by their path below `ponder/reports`, for example `run/page.html.j2`."""
    return Environment(
        loader=PackageLoader("ponder.reports", "."),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )


def _shown(value: object) -> object:
    """What an expression of a template gives, with control characters written out."""
    if not isinstance(value, str):
        return value
    return Markup(printable(value)) if isinstance(value, Markup) else printable(value)
