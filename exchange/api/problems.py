"""Refusals and faults as RFC 9457 problem documents, in both languages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from exchange import render
from exchange.model.wire import PROBLEM_TYPE, Problem, Words
from exchange.render import RefusalTexts

if TYPE_CHECKING:
    from exchange.errors import ExchangeError
    from exchange.model.codes import Codes
    from exchange.model.objects import Receipt

_TYPE = "urn:exchange:problem:"


def problem(error: ExchangeError, codes: Codes, receipt: Receipt | None = None) -> Problem:
    """Return the problem document of a refusal or fault."""
    english, spanish = render.refusal(error, "en", codes), render.refusal(error, "es", codes)
    return Problem(
        type=_TYPE + error.code.value,
        title=english.what,
        status=RefusalTexts(codes).status(error.code),
        code=error.code.value,
        at=error.at,
        facts=error.facts,
        en=Words(english.what, english.where, english.why, english.next),
        es=Words(spanish.what, spanish.where, spanish.why, spanish.next),
        receipt=receipt,
    )


def response(document: Problem) -> web.Response:
    """Return a problem as an HTTP answer."""
    # When to come again, for clients that look no further.
    wait = document.facts.get("wait")
    return web.Response(
        body=msgspec.json.encode(document),
        status=document.status,
        content_type=PROBLEM_TYPE,
        headers=None if wait is None else {"Retry-After": str(wait)},
    )
