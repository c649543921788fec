"""``exchange case``: what officers of both nations are told of a boarding, and can show."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

import exchange
from exchange.cli import urging
from exchange.cli.home import Home
from exchange.cli.main import Session
from exchange.model.trust import Clock
from tests.builders import NOW, OPS, WATCH, border
from tests.cli.boarding import ASKED, ASKER, at, desks
from tests.cli.exercise import PASSPHRASE
from tests.link.asking import DEEMED, DUE, step

DOCS = Path(exchange.__file__).parents[1] / "docs"
CHECKED = ("--anchor", border().anchor)


async def lapse(both):
    """Let the time run out, and both nodes prove it."""
    both.both.clock.ms = (DUE + 61) * 1000
    for _ in range(2):
        await step(both.both)


async def test_case_is_told_to_both_sides_with_each_nodes_entry_and_times(
    tmp_path, monkeypatch
):
    async with desks(tmp_path, monkeypatch) as both:
        asked = await both.ask()
        # It came a quarter of an hour late, and the clock runs from there.
        both.both.clock.ms += 900_000
        await step(both.both)
        here = await both.json(ASKER, "case", asked["id"])
        there = await both.json(ASKED, "case", asked["id"])
        by, came = at(DUE + 900), at(NOW + 900)
        for told in (here, there):
            assert (told["state"], told["due"], told["due_in_s"]) == ("open", by, 7200)
            assert told["agreed"]["silence"] == "deemed-consent"
            assert told["owes"] == [{"what": "reply", "who": [WATCH], "by": by}]
        assert here["clock"] == {
            "node": "us", "index": there["index"], "taken": came, "due": by
        }  # fmt: skip
        first, second, *_ = here["steps"]
        assert (first["step"], first["at"][:19], first["node"]) == ("asked", at(NOW)[:19], "pa")
        assert (second["step"], second["at"][:19]) == ("received", came[:19])
        (first, *_) = there["steps"]
        assert (first["node"], first["index"]) == ("pa", asked["index"])
        assert (first["here"]["index"], first["here"]["at"][:19]) == (
            there["index"],
            came[:19],
        )
        # By the number of its entry, and among all.
        assert (await both.json(ASKED, "case", str(there["index"])))["id"] == asked["id"]
        assert [e["id"] for e in (await both.json(ASKED, "case"))["cases"]] == [asked["id"]]
        assert (await both.at(ASKED, "case", "nothing")).code == 1


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        (
            "en",
            [
                "Undetermined since {due} (1 min).",
                "no checkpoint of that node taken after it proves yet",
                "120 min from when node us takes it in; silence means: consent.",
                "node us: a checkpoint dated after the time, and all that is owed up to it",
                "us.jiatfs/watch: the reply, overdue by 1 min ({due})",
            ],
        ),
        (
            "es",
            [
                "Sin determinar desde {due} (1 min).",
                "ningún punto de control posterior de ese nodo prueba aún",
                "120 min desde que lo recibe el nodo us; callar significa: consentimiento.",
                "el nodo us: un punto de control posterior al plazo",
                "us.jiatfs/watch: la respuesta, vencido hace 1 min ({due})",
            ],
        ),
    ],
)
async def test_past_its_time_it_is_undetermined_in_words(tmp_path, monkeypatch, lang, words):
    async with desks(tmp_path, monkeypatch) as both:
        asked = await both.ask()
        await step(both.both)
        both.both.clock.ms = (DUE + 61) * 1000
        out = (await both.at(ASKER, "--lang", lang, "case", asked["id"])).out
        for each in words:
            assert each.format(due=at(DUE)) in out


async def test_inbox_says_by_when_to_answer_and_to_the_asker_since_when_nobody_did(
    tmp_path, monkeypatch
):
    async with desks(tmp_path, monkeypatch) as both:
        asked = await both.ask()
        await step(both.both)
        told = await both.json(ASKED, "inbox")
        index = told["items"][0]["index"]
        assert [e["answer_due_in_s"] for e in told["items"]] == [7200, None]
        assert [(e["role"], e["urged"]) for e in told["boarding"]] == [("asked", 0)]
        out = (await both.at(ASKED, "--lang", "en", "inbox")).out
        assert "\nANSWER DUE in 2 h 00 min: BRQ pa.senan/ops (silence means: consent)" in out
        both.both.clock.ms = (DUE - 240) * 1000
        for lang, said in (("en", "ANSWER DUE in 4 min"), ("es", "RESPONDER EN 4 min")):
            out = (await both.at(ASKED, "--lang", lang, "inbox")).out
            assert f"!!! {said}: BRQ pa.senan/ops" in out
            assert f"exchange reply {index} FILE !!!" in out
        assert (await both.json(ASKER, "inbox"))["boarding"] == []
        both.both.clock.ms = (DUE + 61) * 1000
        (duty,) = (await both.json(ASKER, "inbox"))["boarding"]
        assert (duty["role"], duty["state"], duty["due_in_s"]) == ("asker", "undetermined", -61)
        for lang, said in (
            ("en", f"!!! OVERDUE: Undetermined since {at(DUE)}: BRQ > {WATCH}"),
            ("es", f"!!! VENCIDA: Sin determinar desde {at(DUE)}: BRQ > {WATCH}"),
        ):
            out = (await both.at(ASKER, "--lang", lang, "inbox")).out
            assert f"{said}: exchange case {asked['id']} !!!" in out


async def test_reply_and_result_end_it_and_each_finds_the_case(tmp_path, monkeypatch):
    async with desks(tmp_path, monkeypatch) as both:
        asked = await both.ask()
        await step(both.both)
        reply = await both.answer(asked["id"])
        assert (await both.json(ASKED, "inbox"))["boarding"] == []
        both.both.clock.ms += 60_000
        await step(both.both)
        told = await both.json(ASKER, "case", reply["id"])
        assert (told["id"], told["state"], told["owes"]) == (asked["id"], "answered", [])
        (said,) = told["replies"]
        assert (said["decision"], said["came"]["index"]) == ("refuse", reply["index"])
        (there,) = [e for e in told["steps"] if e["step"] == "replied"]
        assert there["here"]["at"] > there["at"]
        result = await both.json(
            ASKER, "reply", asked["id"], both.draft("brr-1.es.toml", WATCH), "--yes"
        )
        await step(both.both)
        told = await both.json(ASKED, "case", result["id"])
        assert (told["state"], told["basis"]) == ("reported", "answered")
        assert told["results"][0]["consent_basis"] == "stateless"
        for lang, words in (("en", "Reply by us.jiatfs/watch: Refused"),
                            ("es", "Respuesta de us.jiatfs/watch: No autorizado")):  # fmt: skip
            assert words in (await both.at(ASKED, "--lang", lang, "case", asked["id"])).out


async def test_evidence_is_checked_by_who_has_the_anchor_and_no_keys(tmp_path, monkeypatch):
    async with desks(tmp_path, monkeypatch) as both:
        asked = await both.ask()
        await step(both.both)
        await lapse(both)
        plain, full = tmp_path / "plain.case", tmp_path / "full.case"
        made = await both.json(ASKER, "case", asked["id"], "--export", str(plain))
        assert (made["with_content"], made["case"]["state"]) == (False, "deemed-consent")
        again = await both.at(ASKER, "case", asked["id"], "--export", str(plain))
        assert again.code == 2
        out = (await both.at(
            ASKER, "--lang", "en", "case", asked["id"], "--export", str(full), "--with-content"
        )).out  # fmt: skip
        assert "readable by whoever has the file" in out
    assert b"EXERCISE HERON" not in plain.read_bytes()
    assert b"EXERCISE HERON" in full.read_bytes()
    told = (await both.run("case", "--check", str(plain), *CHECKED, "--json")).json
    assert (told["ok"], told["made_by"], told["hidden"]) == (True, OPS, 0)
    assert told["case"]["deemed"]["checkpoint"]["node"] == "us"
    assert told["case"]["deemed"]["checkpoint"]["dated"] > at(DUE)
    assert told["abroad"]["us"]["as_of"] > at(DUE)
    for lang, words, own in (
        ("en", "HOLDS: made by", f"Of what {OPS} itself posted, some may be left out"),
        ("es", "VALE: hecho por", f"De lo que publicó {OPS} mismo puede faltar"),
    ):
        ran = await both.run("--lang", lang, "case", "--check", str(full), *CHECKED)
        assert (ran.code, words in ran.out, own in ran.out) == (0, True, True)
    altered = tmp_path / "altered.case"
    altered.write_bytes(plain.read_bytes().replace(b"deemed", b"dEemed", 1))
    ran = await both.run("--lang", "en", "case", "--check", str(altered), *CHECKED)
    assert (ran.code, "DOES NOT HOLD" in ran.err) == (5, True)
    ran = await both.run("case", "--check", str(plain), "--anchor", "A" * 43, "--json")
    assert (ran.code, ran.json["ok"]) == (5, False)
    # Another file is no evidence that was changed; cut short or damaged, it is.
    for held, code in ((b"", 3), (b"EXERCISE", 3), (b'{"type":"bundle"}', 3),
                       (plain.read_bytes()[1:], 5), (plain.read_bytes()[:40], 5)):  # fmt: skip
        altered.write_bytes(held)
        ran = await both.run("case", "--check", str(altered), *CHECKED, "--json")
        assert (ran.code, ran.json["error"]["code"] == "other-file") == (code, code == 3)


def commands(page):
    """The command lines that a page shows."""
    blocks = re.findall(
        r"^```\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    return [line.split()[1:] for block in blocks for line in block.splitlines()]


async def test_commands_of_the_page_are_as_they_are_shown(tmp_path, monkeypatch):
    shown = commands("boarding.md")
    assert shown == commands("boarding.es.md")
    assert len(shown) == 6
    async with desks(tmp_path, monkeypatch) as both:
        meant = {"ID": (await both.ask())["id"], "ANCHOR": border().anchor}
        await step(both.both)
        for number, words in enumerate(shown):
            # Each writes a file of its own; the last one is checked.
            file = str(tmp_path / f"{number - ('--check' in words)}.case")
            said = [{**meant, "FILE": file}.get(word, word) for word in words]
            ran = await both.at(ASKER, *said)
            assert ran.code == 0, (words, ran)


@pytest.mark.parametrize(
    "words",
    [
        ("--export", "x"),
        ("--with-content",),
        ("ID", "--with-content"),
        ("--check", __file__),
        ("--anchor", "A" * 43),
        ("ID", "--check", __file__, "--anchor", "A" * 43),
    ],
)
async def test_options_that_mean_nothing_together_are_said_so(tmp_path, monkeypatch, words):
    async with desks(tmp_path, monkeypatch) as both:
        assert (await both.at(ASKER, "case", *words)).code == 2


async def test_watch_urges_at_reminders_targets_and_the_end_and_not_between(
    tmp_path, monkeypatch, capsys
):
    looks, has_looked = iter([1799, 1, 1799, 1, 3599, 2]), asyncio.Event()
    async with desks(tmp_path, monkeypatch, Clock("salas-becker", 120, "express")) as both:
        await both.ask()
        await step(both.both)
        clock, session = both.both.clock, Session(Home(tmp_path / "home"), ASKED, "en")

        async def pause(_seconds):
            """Let so much time pass between two looks, and then none."""
            for seconds in looks:
                clock.ms += seconds * 1000
                return
            has_looked.set()
            await asyncio.Event().wait()

        line = session.context().agency_with(PASSPHRASE)
        async with line:
            line.world = replace(line.world, pause=pause)
            held = {item.index: item for item in await line.everything()}
            capsys.readouterr()
            async with urging.urging(session, line, held):
                await asyncio.wait_for(has_looked.wait(), 10)
    told = [e for e in capsys.readouterr().err.splitlines() if "BRQ" in e]
    # As it begins; at each half hour, the target of its precedence; and when it is over.
    assert [e.partition(":")[0] for e in told] == [
        "ANSWER DUE in 2 h 00 min",
        "!!! ANSWER DUE in 1 h 30 min",
        "!!! ANSWER DUE in 1 h 00 min",
        "!!! ANSWER DUE in 1 s",
        "!!! ANSWER OVERDUE by 1 s",
    ]


async def test_where_nobody_shows_that_it_came_the_asker_is_told(tmp_path, monkeypatch):
    async with desks(tmp_path, monkeypatch) as both:
        asked = await both.ask()
        told = await both.json(ASKER, "case", asked["id"])
        assert (told["state"], told["reason"]) == ("undetermined", "not-shown")
        assert [e["what"] for e in told["owes"]] == ["shown", "reply"]
        assert (await both.json(ASKER, "inbox"))["boarding"] == []
        both.both.clock.ms += 1_800_000
        (duty,) = (await both.json(ASKER, "inbox"))["boarding"]
        assert (duty["reason"], duty["urged"]) == ("not-shown", 1)


async def test_where_no_time_is_agreed_those_asked_show_it_and_no_node_owes(
    tmp_path, monkeypatch
):
    elsewhere = msgspec.structs.replace(DEEMED, asked="pa")
    async with desks(tmp_path, monkeypatch, elsewhere) as both:
        asked = await both.ask()
        told = await both.json(ASKER, "case", asked["id"])
        assert (told["state"], told["reason"]) == ("undetermined", "not-shown")
        assert [e["what"] for e in told["owes"]] == ["acknowledgement", "reply"]
        assert told["owes"][0]["who"] == told["owes"][1]["who"]
        said = await both.at(ASKER, "--lang", "en", "case", asked["id"])
        assert "either shows that the request came" in " ".join(said.out.split())


async def test_before_any_reminder_the_clock_of_the_arrangement_urges(tmp_path, monkeypatch):
    async with desks(tmp_path, monkeypatch, DEEMED) as both:
        await both.ask()
        await step(both.both)
        both.both.clock.ms = (NOW + 3600) * 1000
        (duty,) = (await both.json(ASKED, "inbox"))["boarding"]
        # Two targets of half an hour, and the reminder at half the time.
        assert (duty["state"], duty["urged"]) == ("reminded", 3)
