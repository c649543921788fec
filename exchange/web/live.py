"""What changes while a page is open, as server-sent events: values, never markup."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web

from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.model.codes import Lang

# A few windows; a browser itself keeps six connections to a host.
MAX_LISTENERS: Final = 8
# So that a browser that hung up is noticed, and its place is free again.
_HEARTBEAT_S: Final = 15


class Live:
    """Tells every open page of news. Whoever missed some is told the newest, and no more."""

    def __init__(self, values: Callable[[Lang], dict[str, Any]]) -> None:
        """Tell what ``values`` returns: by name, texts in the reader's language."""
        self._values = values
        self._news = asyncio.Event()
        self._listeners = 0
        # Of what pages show: one that was made under another number shows less than there is.
        self.number = 0

    def publish(self, *, is_news: bool = True) -> None:
        """Tell all listeners the values; ``is_news``: and that there is more to be shown."""
        self.number += is_news
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def stream(
        self, request: web.Request, lang: Lang, is_in: Callable[[], bool]
    ) -> web.StreamResponse:
        """Answer with events until the browser hangs up, or ``is_in`` says that who reads left.

        Raises:
            Refusal: ``too-many``.
        """
        if self._listeners >= MAX_LISTENERS:
            raise Refusal(Code.TOO_MANY, limit=MAX_LISTENERS)
        self._listeners += 1
        try:
            return await self._tell(request, lang, is_in)
        finally:
            self._listeners -= 1

    async def _tell(
        self, request: web.Request, lang: Lang, is_in: Callable[[], bool]
    ) -> web.StreamResponse:
        answer = web.StreamResponse()
        answer.content_type = "text/event-stream"
        answer.headers["Cache-Control"] = "no-store"
        await answer.prepare(request)
        with suppress(ConnectionError):
            while is_in():
                news = self._news
                line = msgspec.json.encode({"number": self.number, **self._values(lang)})
                await answer.write(b"data: " + line + b"\n\n")
                with suppress(TimeoutError):
                    async with asyncio.timeout(_HEARTBEAT_S):
                        await news.wait()
            # Pages that are open still go: nothing stands on a screen that nobody may see.
            await answer.write(b'data: {"over":true}\n\n')
        return answer
