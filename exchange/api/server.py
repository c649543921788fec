"""Serve the application over HTTP/1.1: what is no request at all is refused like the rest.

aiohttp answers bytes that are not HTTP on its own, in plain text, and quotes them in its log.
Here they become a problem document and are counted, and no log repeats what was sent.
"""

from __future__ import annotations

from typing import Any

import structlog
from aiohttp import web

from exchange.api import problems
from exchange.api.routes import CODES, NODE
from exchange.api.seats import SEATS
from exchange.errors import Code, Refusal

_log = structlog.get_logger("exchange.api")

# A connection on which nothing is asked for this long is closed (seconds).
KEEPALIVE_S = 90


class _Diary:
    """What aiohttp logs to: it is told the kind of trouble and never what was sent."""

    def debug(self, *_: object, **__: object) -> None:
        """Say nothing: strangers who send noise would fill the diary."""

    def warning(self, *_: object, **__: object) -> None:
        """Tell that aiohttp warned."""
        _log.warning("http")

    def exception(self, *_: object, exc_info: object = None, **__: object) -> None:
        """Tell the kind of an error that reached no handler of ours."""
        _log.error("http", error=type(exc_info).__name__)


class _Conversation(web.RequestHandler):
    """One connection."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """Nobody sits here any more."""
        if self._manager is not None:
            self._app[SEATS].leave(self)
        super().connection_lost(exc)

    @property
    def _app(self) -> web.Application:
        app: web.Application = self._manager.app  # type: ignore[union-attr]
        return app

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  (quotes what was sent)
    ) -> web.StreamResponse:
        """Refuse what is not HTTP; a 5xx would be a defect of ours, and is told as one."""
        app = self._app
        code = Code.BAD_REQUEST if status < 500 else Code.INTERNAL
        app[NODE].refused[code.value, ""] += 1
        _log.info("refused", code=code.value, route="", error=type(exc).__name__)
        answer = problems.response(problems.problem(Refusal(code), app[CODES]))
        answer.force_close()
        return answer


class _Server(web.Server):
    def __init__(self, app: web.Application, plain: web.Server) -> None:
        super().__init__(
            plain.request_handler,
            request_factory=plain.request_factory,
            loop=plain._loop,  # noqa: SLF001  (as aiohttp set it up)
            **plain._kwargs,  # noqa: SLF001
        )
        self.app = app

    def __call__(self) -> web.RequestHandler:
        return _Conversation(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application from ``api.app.make_app``; add sites to it as to any AppRunner."""

    __slots__ = ()

    def __init__(self, app: web.Application, **settings: Any) -> None:
        """Prepare; ``settings`` go to every connection."""
        super().__init__(
            app,
            access_log=None,
            handle_signals=False,
            logger=_Diary(),
            keepalive_timeout=KEEPALIVE_S,
            **settings,
        )

    async def _make_server(self) -> web.Server:
        return _Server(self._app, await super()._make_server())
