"""The map on which a form's positions are picked: the coasts, as this machine has them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import msgspec

from exchange.web import frame, region

if TYPE_CHECKING:
    from aiohttp import web

    from exchange.web.pages import Reader


def show(app: web.Application) -> None:
    """Serve the coasts; a form asks for them once somebody picks a position."""
    frame.show(app, "/compose/region.json", _region)


async def _region(request: web.Request, reader: Reader) -> web.Response:  # noqa: ARG001
    return frame.file(_land(), "application/json")


@cache
def _land() -> bytes:
    shown = region.load()
    paths = [shown.unnamed, *(each.path for each in shown.countries.values())]
    return msgspec.json.encode({"land": paths})
