"""What is searched for, kept with the session: an address says a number, and not the words.

A browser writes every address that it was at into its history, and nobody locks or purges that.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from exchange.web import frame

if TYPE_CHECKING:
    from aiohttp import web
    from multidict import MultiMapping

    from exchange.web.door import Session
    from exchange.web.pages import Reader

# So many searches can be gone back to.
MOST: Final = 100
WORDS: Final = "q"
NUMBER: Final = "find"


def show(app: web.Application, path: str) -> None:
    """Take the search form of the page at a path, and lead to its address."""
    frame.submit(app, f"{path.rstrip('/')}/find", partial(_find, path))


async def _find(
    path: str, request: web.Request, _told: dict[str, str], reader: Reader
) -> web.Response:
    sent = await request.post()
    words = str(sent.get(WORDS, "")).strip()
    asked = [
        (name, value)
        for name, value in sent.items()
        if isinstance(value, str) and value and name not in (WORDS, NUMBER)
    ]
    if words:
        asked.append((NUMBER, keep(request[frame.SESSION], words)))
    return frame.see(reader, f"{path}?{urlencode(asked)}" if asked else path)


def keep(session: Session, words: str) -> str:
    """Keep what is searched for; return its number until the desk is left."""
    for number, known in session.searches.items():
        if known == words:
            return number
    number = str(int(next(reversed(session.searches), "0")) + 1)
    session.searches[number] = words
    if len(session.searches) > MOST:
        del session.searches[next(iter(session.searches))]
    return number


def asked(request: web.Request) -> MultiMapping[str]:
    """Return what an address asks, with the words that its number stands for.

    Words in the address itself hold too. A number of another session stands for none.
    """
    number = request.query.get(NUMBER, "")
    if known := request[frame.SESSION].searches.get(number):
        return request.rel_url.update_query({WORDS: known}).query
    return request.query
