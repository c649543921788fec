"""The local application that desk and console are built in: checks, sessions, errors, settings.

Every path but the assets' begins with its language: so an address says in which language
somebody saw what, and the other one is one key away.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog
from aiohttp import web

from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.model.codes import LANGUAGES
from exchange.render.refusal import refusal
from exchange.web import door as doors
from exchange.web import safety
from exchange.web.pages import Reader

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from exchange.model.codes import Lang
    from exchange.web.assets import Assets
    from exchange.web.door import Door, Session
    from exchange.web.live import Live
    from exchange.web.pages import Pages

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
    Shower = Callable[[web.Request, Reader], Awaitable[web.StreamResponse]]
    Actor = Callable[[dict[str, str], Reader], Awaitable[str]]
    Answerer = Callable[[web.Request, dict[str, str], Reader], Awaitable[web.StreamResponse]]

# What a form or a query may be; pages take nothing larger.
MAX_BODY_BYTES: Final = 64 * 1024
MAX_AT_ONCE: Final = 32
_LANG: Final = "{lang:" + "|".join(LANGUAGES) + "}"
_log = structlog.get_logger("exchange.web")


class Frame(NamedTuple):
    """What every request needs."""

    door: Door
    pages: Pages
    assets: Assets
    live: Live
    # Hears that somebody came in by the link, which is now used up.
    entered: Callable[[], None]


FRAME: web.AppKey[Frame] = web.AppKey("frame")
HOSTS: web.AppKey[set[str]] = web.AppKey("hosts")
_AT_ONCE: web.AppKey[asyncio.Semaphore] = web.AppKey("at_once")
SESSION: web.RequestKey[Session] = web.RequestKey("session")


def application(frame: Frame) -> web.Application:
    """Return an application without pages of its own; ``show`` adds them."""
    app = web.Application(
        middlewares=[_errors, _guard, _sessions], client_max_size=MAX_BODY_BYTES
    )
    app[FRAME] = frame
    app[HOSTS] = set()
    app[_AT_ONCE] = asyncio.Semaphore(MAX_AT_ONCE)
    app.on_response_prepare.append(_tell_browser)
    app.router.add_get("/enter", _enter)
    app.router.add_get("/assets/{version}/{name}", _asset)
    app.router.add_get("/", _begin)
    app.router.add_get(f"/{_LANG}/live", _live)
    app.router.add_post(f"/{_LANG}/settings", _settings)
    app.router.add_post(f"/{_LANG}/leave", _leave)
    return app


def show(app: web.Application, path: str, shower: Shower) -> None:
    """Serve what ``shower`` returns at a path, in every language."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await shower(request, reader_of(request))

    app.router.add_get(f"/{_LANG}{path}", handle)


def act(app: web.Application, path: str, actor: Actor) -> None:
    """Have what a form asks for done at a path, in every language; then go where it says.

    ``actor`` returns the path below the language that the browser is to show.
    """

    async def answer(
        _request: web.Request, told: dict[str, str], reader: Reader
    ) -> web.StreamResponse:
        return see(reader, await actor(told, reader))

    submit(app, path, answer)


def submit(app: web.Application, path: str, answerer: Answerer) -> None:
    """Answer what a form says at a path, in every language, with a page or ``see``."""

    async def handle(request: web.Request) -> web.StreamResponse:
        told = {name: str(value) for name, value in (await request.post()).items()}
        return await answerer(request, told, reader_of(request))

    app.router.add_post(f"/{_LANG}{path}", handle)


def see(reader: Reader, path: str) -> web.Response:
    """Have the browser show a path below the reader's language."""
    headers = {"Location": f"/{reader.lang}{path}", "Cache-Control": "no-store"}
    return web.Response(status=303, headers=headers)


def inside(path: str) -> str:
    """Return a path that a form names if it is within the application, else its beginning."""
    # `//name` would be another host.
    is_inside = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if is_inside else "/"


def number(said: str) -> int | None:
    """Return the whole number that an address or a form names, from 0; None: it is none."""
    # Nine digits: no journal's entry has more, and none is too large for anything here.
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 10 else None


def reader_of(request: web.Request) -> Reader:
    """Return who reads, in which language."""
    lang, below = _split(request)
    form = below.rpartition("/")[2].rpartition(".")[2] if "." in below else ""
    query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
    return Reader(lang, below + query, request.get(SESSION), form)


def _split(request: web.Request) -> tuple[Lang, str]:
    path = request.rel_url.raw_path
    for lang in LANGUAGES:
        if path == f"/{lang}" or path.startswith(f"/{lang}/"):
            return lang, path.removeprefix(f"/{lang}")
    session = request.get(SESSION)
    return (session.lang if session else request.app[FRAME].door.lang), ""


def page(
    request: web.Request, reader: Reader, name: str, *, status: int = 200, **values: Any
) -> web.Response:
    """Return a page as an answer."""
    frame = request.app[FRAME]
    text = frame.pages.render(name, reader, {"number": frame.live.number, **values})
    return web.Response(
        text=text,
        status=status,
        content_type="text/html",
        headers={"Cache-Control": "no-store"},
    )


def file(content: bytes, media_type: str, name: str = "") -> web.Response:
    """Return bytes as an answer; under a name, to be saved."""
    headers = {"Cache-Control": "no-store"}
    if name:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return web.Response(body=content, content_type=media_type, charset="utf-8", headers=headers)


async def _tell_browser(request: web.Request, answer: web.StreamResponse) -> None:  # noqa: ARG001
    answer.headers.update(safety.HEADERS)


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ExchangeError as error:
        return _failed(request, error)
    except web.HTTPRedirection:
        raise
    except web.HTTPRequestEntityTooLarge:
        return _failed(request, Refusal(Code.OVERSIZED, limit=MAX_BODY_BYTES))
    except web.HTTPException as error:
        is_gone = error.status in (404, 405)
        return _failed(request, Refusal(Code.NOT_FOUND if is_gone else Code.BAD_REQUEST))
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception as error:  # noqa: BLE001  (a defect of ours: told as one, by its kind alone)
        _log.error("page", error=type(error).__name__)
        return _failed(request, Fault(Code.INTERNAL))


def _failed(request: web.Request, error: ExchangeError) -> web.Response:
    """Return what went wrong as a page, or as JSON to whoever asked for a file."""
    frame, reader = request.app[FRAME], reader_of(request)
    told = refusal(error, reader.lang, frame.pages.codes)
    status = frame.pages.codes.refusals[error.code.value].http
    if reader.form:
        body = {"code": told.code, "what": told.what, "why": told.why, "next": told.next}
        return web.json_response(body, status=status, headers={"Cache-Control": "no-store"})
    return page(request, reader, "error.html", status=status, problem=told)


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    hosts = request.app[HOSTS]
    safety.check(request.method, request.headers, hosts)
    at_once = request.app[_AT_ONCE]
    if at_once.locked():
        raise Refusal(Code.TOO_MANY, limit=MAX_AT_ONCE)
    async with at_once:
        return await handler(request)


@web.middleware
async def _sessions(request: web.Request, handler: Handler) -> web.StreamResponse:
    path = request.rel_url.raw_path
    if path != "/enter" and not path.startswith("/assets/"):
        door = request.app[FRAME].door
        request[SESSION] = door.session(request.cookies.get(doors.COOKIE, ""))
    return await handler(request)


async def _enter(request: web.Request) -> web.Response:
    frame = request.app[FRAME]
    opened = frame.door.enter(request.query.get("link", ""))
    frame.entered()
    answer = web.Response(status=303, headers={"Location": "/", "Cache-Control": "no-store"})
    # No `__Host-` and `Secure`: not every browser takes them over http, even from this machine.
    answer.set_cookie(doors.COOKIE, opened, path="/", httponly=True, samesite="Strict")
    return answer


async def _begin(request: web.Request) -> web.Response:
    headers = {"Location": f"/{request[SESSION].lang}/", "Cache-Control": "no-store"}
    return web.Response(status=303, headers=headers)


async def _asset(request: web.Request) -> web.Response:
    assets = request.app[FRAME].assets
    found = assets.get(request.match_info["version"], request.match_info["name"])
    kept = {"Cache-Control": "private, max-age=31536000, immutable"}
    return web.Response(
        body=found.content, content_type=found.type, charset="utf-8", headers=kept
    )


async def _live(request: web.Request) -> web.StreamResponse:
    frame, secret = request.app[FRAME], request.cookies.get(doors.COOKIE, "")
    return await frame.live.stream(
        request, reader_of(request).lang, lambda: frame.door.is_in(secret)
    )


async def _settings(request: web.Request) -> web.Response:
    """Keep how the person wants to see the pages, for as long as the session is there."""
    told, session = await request.post(), request[SESSION]
    theme, keys, lang = told.get("theme"), told.get("keys"), told.get("lang")
    session.theme = next((each for each in doors.THEMES if each == theme), session.theme)
    session.lang = next((each for each in LANGUAGES if each == lang), session.lang)
    if keys in ("on", "off"):
        session.keys = keys == "on"
    back = inside(str(told.get("back", "")))
    headers = {"Location": f"/{session.lang}{back}", "Cache-Control": "no-store"}
    return web.Response(status=303, headers=headers)


async def _leave(request: web.Request) -> web.Response:
    frame, reader = request.app[FRAME], reader_of(request)
    frame.door.leave(request.cookies.get(doors.COOKIE, ""))
    # Other windows of the same session are told at once that it is over.
    frame.live.publish(is_news=False)
    answer = page(request, reader._replace(session=None), "left.html")
    answer.del_cookie(doors.COOKIE, path="/", httponly=True, samesite="Strict")
    return answer
