"""What came from another node says so, in both languages, and whom it is kept from here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from exchange.cli import abroad, proving, timeline
from exchange.cli.home import Home
from exchange.cli.main import Session
from exchange.cli.reading import row_of as _row
from exchange.cli.times import zulu_ms
from exchange.client import story
from exchange.client.judging import Came
from exchange.client.proving import Proven
from exchange.client.reading import Acked, Delivered, Noticed
from exchange.model import objects
from exchange.model.entry import Unowed
from tests.builders import COAST, NOW_MS, OPS, WATCH, border, decoded, digest, subject
from tests.vectors.forging import payload_of

CAME = Came("pa", 41, NOW_MS - 60_000)


def session(lang: Any, *, as_json: bool = False) -> Session:
    made = Session(Home(Path("nowhere")), None, lang)
    made.as_json = as_json
    return made


def delivered(**changes: Any) -> Delivered:
    header = border().envelope().header
    declined = [Unowed(COAST, "endpoint-suspended"), Unowed(WATCH, "of-next-year")]
    usual: dict[str, Any] = {"came": CAME, "taken_in": CAME, "declined": declined, "late": True}
    usual |= changes
    place: dict[str, Any] = {"position": 1, "index": 2, "taken_ms": NOW_MS, "target": None}
    accepted: dict[str, Any] = {"accepted": 2, "accepted_ms": NOW_MS}
    return Delivered(
        header=decoded(header), digest=digest(header), **place, **accepted, **usual
    )


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("en", f"from node pa, late, not given here to {COAST}, {WATCH}"),
        ("es", f"llegó del nodo pa, tardío, aquí no se entrega a {COAST}, {WATCH}"),
    ],
)
def test_row_of_an_inbox_says_whence_it_came_and_who_goes_without(lang: Any, said: str) -> None:
    assert _row(delivered(), session(lang))["state"].startswith(said)
    row = _row(delivered(), session(lang, as_json=True))
    assert row["came"] == {"node": "pa", "index": 41, "taken": zulu_ms(CAME.taken_ms)}
    assert [each["code"] for each in row["declined"]] == ["endpoint-suspended", "of-next-year"]
    at_our_node = delivered(came=None, taken_in=None, declined=[])
    assert "pa" not in _row(at_our_node, session(lang))["state"].split(", ")[0]
    assert _row(at_our_node, session(lang, as_json=True))["came"] is None
    ack = objects.decode_acknowledgement(payload_of(border().ack(border().envelope(), OPS)))
    told = _row(Acked(1, 2, NOW_MS, ack, came=CAME), session(lang))["state"]
    assert told == said.partition(",")[0]


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("en", ["It came from node pa", "entry 41", "It arrived late.", "Not given here to"]),
        ("es", ["Llegó del nodo pa", "asiento 41", "Llegó tarde.", "Aquí no se entrega a"]),
    ],
)
def test_below_a_bulletin_all_of_it_is_said(lang: Any, said: list[str], capsys: Any) -> None:
    abroad.show(delivered(), session(lang))
    shown = capsys.readouterr().out
    assert all(each in shown for each in said)
    assert "[endpoint-suspended]" in shown
    assert f"{WATCH}: of-next-year" in shown
    abroad.show(delivered(came=None, taken_in=None, declined=[], late=False), session(lang))
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("lang", "refused", "acked"),
    [
        ("en", "not given to it by its own node: ", "from node pa, entry 41 there"),
        ("es", "su propio nodo no se lo entrega: ", "del nodo pa, asiento 41 de allá"),
    ],
)
def test_trace_tells_what_the_other_node_answered(lang: Any, refused: str, acked: str) -> None:
    sealed = border().envelope(endpoint=WATCH, to=[OPS])
    code = "endpoint-suspended"
    raw = border().notice(sealed, about="refused", recipient=OPS, code=code)
    notice = objects.decode_notice(payload_of(raw))
    ack = objects.decode_acknowledgement(payload_of(border().ack(sealed, OPS)))
    other = border().notice(border().envelope(), about="refused", recipient=OPS, code=code)
    items: list[Any] = [
        Noticed(0, 7, NOW_MS, notice, came=CAME),
        Noticed(1, 8, NOW_MS, objects.decode_notice(payload_of(other)), came=CAME),
        Acked(2, 9, NOW_MS + 1, ack, came=CAME),
    ]
    of = story.Posted(decoded(sealed.header), digest(sealed.header), 5)
    assert of.subject == subject(sealed)
    past = story.Past(of, [], frozenset(), items)
    said = [timeline.values(each) for each in story._since(past, OPS, [], border().view, 0)]
    words = [timeline._said(session(lang), each) for each in said]
    assert [each["step"] for each in said] == ["refused-abroad", "acknowledged"]
    assert words[0].startswith(refused)
    assert f"[{code}], " in words[0]
    assert words[1].endswith(acked)
    assert said[1]["came"]["node"] == "pa"
    assert not [*story._refused(past, COAST)]


def test_proof_says_how_many_documents_of_the_other_node_are_here() -> None:
    proven = Proven(WATCH, "us", 1, 9, 20, 20, 21, NOW_MS // 1000, abroad={"pa": 7})
    spanish, english = proving.line(proven)
    assert "los 9 documentos de confianza, los 7 del nodo pa;" in spanish
    assert "all 9 trust documents, all 7 of node pa;" in english
