"""A witness over HTTP: C2SP tlog-witness, and what whoever runs it wants to know.

POST /add-checkpoint   200, 400, 403, 404, 409, 422, as the standard says; 413, 503
POST /get-checkpoint   the newest one that was cosigned, to who has one of that log
GET  /livez, /readyz   the process runs; it can remember what it would sign
GET  /metrics          for a Prometheus on its own machine
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog
from aiohttp import web

from exchange.errors import Code, Fault
from exchange.journal.witness import MAX_REQUEST_BYTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from exchange.node.witness import Answer, Witness

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

WITNESS: web.AppKey[Witness | None] = web.AppKey("witness")
# A connection on which nothing is asked for this long is closed (seconds).
_KEEPALIVE_S: Final = 90
_LOCAL: Final = ("127.0.0.1", "::1")

_log = structlog.get_logger("exchange.witness")


def make_app(witness: Witness) -> web.Application:
    """Return the application that serves a witness; no request is larger than one may be."""
    app = web.Application(middlewares=[_guard], client_max_size=MAX_REQUEST_BYTES)
    serve(app, witness)
    app.router.add_get("/livez", _livez)
    app.router.add_get("/readyz", _readyz)
    app.router.add_get("/metrics", _metrics)
    return app


def serve(app: web.Application, witness: Witness | None) -> None:
    """Have an application answer for a witness as the standard says; for none, with 503."""
    app[WITNESS] = witness
    app.router.add_post("/add-checkpoint", add)
    app.router.add_post("/get-checkpoint", get)


def make_runner(app: web.Application, **settings: Any) -> web.AppRunner:
    """Return what runs it; nothing that a stranger sent is ever logged."""
    return web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        logger=_Diary(),
        keepalive_timeout=_KEEPALIVE_S,
        **settings,
    )


class _Diary:
    """What aiohttp logs to: it is told the kind of trouble and never what was sent."""

    def debug(self, *_: object, **__: object) -> None:
        """Say nothing."""

    def warning(self, *_: object, **__: object) -> None:
        """Tell that aiohttp warned."""
        _log.warning("http")

    def exception(self, *_: object, exc_info: object = None, **__: object) -> None:
        """Tell the kind of an error that reached no handler of ours."""
        _log.error("http", error=type(exc_info).__name__)

    error = exception


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with a status and nothing else, whatever goes wrong: 503 signs nothing."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return web.Response(status=error.status)
    except Fault as fault:
        _log.error("unavailable", code=fault.code.value)
        return web.Response(status=503)
    except Exception as error:  # noqa: BLE001  (the last guard: nothing of it may reach a caller)
        _log.error("broken", error=type(error).__name__)
        return web.Response(status=503)


async def add(request: web.Request) -> web.Response:
    """Answer ``add-checkpoint``: whose checkpoint it is, its log's keys say, and no token."""
    return _response(await _witness(request).add(await request.read()))


async def get(request: web.Request) -> web.Response:
    """Answer ``get-checkpoint``, likewise."""
    return _response(await _witness(request).remembered(await request.read()))


def _witness(request: web.Request) -> Witness:
    found = request.app[WITNESS]
    if found is None:
        raise Fault(Code.UNAVAILABLE, name="witness")
    return found


def _response(answer: Answer) -> web.Response:
    headers = {"Content-Type": answer.media} if answer.body else {}
    return web.Response(status=answer.status, body=answer.body, headers=headers)


async def _livez(_: web.Request) -> web.Response:
    return web.json_response({"ready": True})


async def _readyz(request: web.Request) -> web.Response:
    await _witness(request).health()
    return web.json_response({"ready": True})


async def _metrics(request: web.Request) -> web.Response:
    if request.remote not in _LOCAL:
        return web.Response(status=404)
    health = await _witness(request).health()
    lines = [
        "# HELP exchange_witness_answers_total Answers to add-checkpoint, by status.",
        "# TYPE exchange_witness_answers_total counter",
        *(
            f'exchange_witness_answers_total{{status="{status}"}} {count}'
            for status, count in sorted(health.answered.items())
        ),
        "# HELP exchange_witness_log_entries Of each log, when it was cosigned last.",
        "# TYPE exchange_witness_log_entries gauge",
        *(
            f'exchange_witness_log_entries{{log="{origin}"}} {size}'
            for origin, size in sorted(health.sizes.items())
        ),
        "# HELP exchange_witness_evidence What convicts a log: alarm on any.",
        "# TYPE exchange_witness_evidence gauge",
        f"exchange_witness_evidence {health.evidence}",
    ]
    return web.Response(text="\n".join(lines) + "\n", content_type="text/plain")
