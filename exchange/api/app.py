"""Put the interface together: routes, sessions, problem documents, diagnostics."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from exchange.api import (
    blobs,
    bounds,
    enrolments,
    events,
    granted,
    heads,
    homes,
    problems,
    routes,
)
from exchange.api.metrics import CERTIFICATE_ENDS, metrics
from exchange.api.routes import CALLER, CODES, IN_FLIGHT, NODE, OPENAPI, route_of
from exchange.api.seats import SEATS, Seats
from exchange.errors import Code, ExchangeError, Fault, Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from exchange.model.codes import Codes
    from exchange.model.objects import Receipt
    from exchange.node.served import Served

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = structlog.get_logger("exchange.api")

OPEN: list[tuple[str, str, Handler]] = [
    ("GET", "/livez", routes.livez),
    ("GET", "/readyz", routes.readyz),
    ("GET", "/metrics", metrics),
    ("GET", "/v1/openapi.json", routes.openapi),
    ("GET", "/v1/nonce", routes.nonce),
    ("POST", "/v1/session", routes.session),
    ("POST", "/v1/enrolments", enrolments.ask),
]
IN_SESSION: list[tuple[str, str, Handler]] = [
    ("POST", "/v1/objects", routes.post_object),
    ("POST", "/v1/batch", routes.post_batch),
    ("GET", "/v1/inbox", routes.inbox),
    ("GET", "/v1/events", events.stream),
    ("GET", "/v1/trust", routes.trust),
    ("GET", "/v1/blobs/{digest}", blobs.blob),
    ("GET", "/v1/uploads/{digest}", blobs.progress),
    ("PATCH", "/v1/uploads/{digest}", blobs.upload),
    ("DELETE", "/v1/uploads/{digest}", blobs.discard),
    ("GET", "/v1/granted", granted.granted),
    ("GET", "/v1/receipts/{id}", routes.receipt),
    ("GET", "/v1/posted/{id}", routes.posted),
    ("GET", "/v1/posted/{id}/bearing", routes.bearing),
    ("GET", "/v1/checkpoint", routes.checkpoint),
    ("GET", "/v1/tile/{path:.+}", routes.tile),
    ("GET", "/v1/proof", routes.proof),
    ("GET", "/v1/heads", heads.heads),
    ("GET", "/v1/heads/{node}", homes.heads),
    ("GET", "/v1/journal", routes.journal),
    ("GET", "/v1/invitations", enrolments.listed),
    ("GET", "/v1/invitations/receipts", enrolments.receipts),
]


def make_app(
    node: Served, codes: Codes, openapi: bytes, certificate_ends: int
) -> web.Application:
    """Return the application that serves a node.

    Args:
        node: open.
        codes: the words of every refusal.
        openapi: this interface's description, to be served as it is.
        certificate_ends: when the node's own certificate ends, seconds UTC.
    """
    app = web.Application(middlewares=[_guard])
    app[NODE], app[CODES], app[OPENAPI] = node, codes, openapi
    app[CERTIFICATE_ENDS] = certificate_ends
    app[IN_FLIGHT] = Counter()
    app[events.STREAMS] = events.Streams()
    app[SEATS] = Seats(node)
    app.on_shutdown.append(_end_streams)
    for method, path, handler in (*OPEN, *IN_SESSION):
        app.router.add_route(method, path, handler)
    return app


async def _end_streams(app: web.Application) -> None:
    """End what would go on for ever, so that no other request is waited for in vain."""
    await app[NODE].ring.close()


_WITHOUT_SESSION = frozenset(path for _, path, _ in OPEN)


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in who has a session, turn every no into a problem document, and keep a diary.

    Everything that is not expressly open needs a token and a role: a route added tomorrow does
    too, and lets nobody in before ``roles`` says whom.
    """
    try:
        if not _is_open(request):
            request.app[SEATS].take(request)
            routes.must_stand(request)
        return await _handled(request, handler)
    except routes.Recorded as recorded:
        return _problem(request, recorded.refusal, recorded.answer.receipt)
    except ExchangeError as error:
        return _problem(request, error, None)
    except web.HTTPException as error:
        code = Code.NOT_FOUND if error.status == 404 else Code.BAD_REQUEST
        return _problem(request, Refusal(code), None)
    except Exception as error:  # noqa: BLE001  (the last guard: nothing of it may reach a caller)
        # The type and the place, never the message: it may quote what was posted.
        _log.error("broken", error=type(error).__name__, route=route_of(request))
        return _problem(request, Fault(Code.INTERNAL), None)


async def _handled(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Have a request answered, and give the answer to who may still have it."""
    with bounds.taken(request, bounds.room_of(request)):
        answer = await handler(request)
    if request.method == "GET" and CALLER in request and not answer.prepared:
        # Who was suspended meanwhile, or lost its key, gets nothing. What was posted is
        # recorded, and its poster is told so whatever became of it since.
        routes.must_stand(request)
    return answer


def _is_open(request: web.Request) -> bool:
    return route_of(request) in _WITHOUT_SESSION


def _problem(
    request: web.Request, error: ExchangeError, receipt: Receipt | None
) -> web.Response:
    caller, route = request.get(CALLER), route_of(request)
    # Callers stand in the journal; strangers are counted, or a flood of them would fill it.
    request.app[NODE].refused[error.code.value, route] += 1
    # What a stranger is not told: a code and nothing else.
    cause = error.__cause__
    _log.info(
        "refused",
        code=error.code.value,
        because=cause.code.value if isinstance(cause, Refusal) else None,
        route=route,
        caller=caller.endpoint.id if caller else None,
    )
    return problems.response(problems.problem(error, request.app[CODES], receipt))
