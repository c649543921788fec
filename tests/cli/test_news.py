"""Grants, releases and notices as rows of an inbox, in both languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from exchange.cli.home import Home
from exchange.cli.main import Session
from exchange.cli.reading import row_of
from exchange.cli.watching import _tell_broken
from exchange.client.reading import Granted, Locked, Noticed, Released
from exchange.errors import Code, Fault, Refusal
from exchange.model import objects
from exchange.model.ticking import Ticking
from tests.builders import NOW_MS, WATCH, WATCH_DESK, subject, world
from tests.vectors.forging import payload_of

CLOCK = Ticking("express", "deemed-consent", "us", 4, NOW_MS // 1000, NOW_MS // 1000, "", 0)


def session(lang: Any) -> Session:
    return Session(Home(Path("nowhere")), None, lang)


def notice(**changes: Any) -> Noticed:
    raw = world().notice(world().envelope(), **changes)
    return Noticed(1, 2, NOW_MS, objects.decode_notice(payload_of(raw)))


@pytest.mark.parametrize(
    ("changes", "english", "spanish"),
    [
        ({}, "Arrived late", "Llegó tarde"),
        (
            {"about": "refused", "recipient": WATCH, "code": "expired"},
            f"Refused abroad: {WATCH}: ",
            f"Rechazado en el otro país: {WATCH}: ",
        ),
        (
            {"about": "refused", "recipient": WATCH, "code": "of-next-year"},
            f"Refused abroad: {WATCH}: of-next-year",
            f"Rechazado en el otro país: {WATCH}: of-next-year",
        ),
        (
            {"about": "waiting", "recipient": WATCH, "code": "kept-quota"},
            f"Waits abroad for an attachment, and is still to come: {WATCH}: The node keeps",
            f"Espera en el otro país por un adjunto; aún ha de llegar: {WATCH}: El nodo no",
        ),
        (
            {"about": "deemed", "code": "deemed-consent", "clock": CLOCK},
            "Deemed answered: the time to reply ran out: deemed-consent",
            "Se da por respondido: venció el plazo para responder: deemed-consent",
        ),
    ],
)
def test_notice_says_what_happened(changes: dict[str, Any], english: str, spanish: str) -> None:
    item = notice(**changes)
    for lang, expected in (("en", english), ("es", spanish)):
        row = row_of(item, session(lang))
        assert row["title"].startswith(expected)
        assert (row["kind"], row["origin"], row["id"]) == ("notice", "pa", item.notice.of.id)


def test_reason_of_a_refusal_abroad_is_in_the_readers_language() -> None:
    item = notice(about="refused", recipient=WATCH, code="expired")
    assert row_of(item, session("en"))["title"] != row_of(item, session("es"))["title"]


def test_grant_and_release_say_by_whom_and_to_whom() -> None:
    closed = world().closed()
    grant = objects.decode_grant(payload_of(world().grant(closed).header))
    release = objects.decode_release(payload_of(world().release(closed.envelope)))
    of = subject(closed.envelope).id
    shown = {
        "en": (f"Granted to {WATCH_DESK}", "Released (exercise-releaser)"),
        "es": (f"Concedido a {WATCH_DESK}", "Salida autorizada (exercise-releaser)"),
    }
    for lang, (first, second) in shown.items():
        row = row_of(Granted(1, 2, NOW_MS, grant, 1), session(lang))
        assert (row["title"], row["kind"], row["id"]) == (first, "grant", of)
        row = row_of(Released(1, 2, NOW_MS, release), session(lang))
        assert (row["title"], row["kind"], row["id"]) == (second, "release", of)
    nobody = msgspec.structs.replace(release, officer=None)
    assert row_of(Released(1, 2, NOW_MS, nobody), session("en"))["title"] == "Released"


def test_what_is_not_understood_is_shown_as_such() -> None:
    item = Locked(1, 2, Refusal(Code.NOT_UNDERSTOOD, "/kind"))
    for lang, word in (("en", "does not know"), ("es", "no conoce")):
        row = row_of(item, session(lang))
        assert word in row["title"]
        assert (row["kind"], row["state"]) == ("locked", "not-understood")


@pytest.mark.parametrize(("lang", "said"), [("en", "again in 1 s"), ("es", "otra vez en 1 s")])
def test_pause_that_is_told_is_never_none_at_all(
    lang: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _tell_broken(session(lang), lambda: None, Fault(Code.NODE_UNREACHABLE, name="x"), 0.3)
    assert said in capsys.readouterr().err
