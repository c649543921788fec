"""What mirrors hold is shown as it is: pages, files, proofs; and what was altered, loudly."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import shutil
import sqlite3
from contextlib import ExitStack
from typing import get_args
from urllib.parse import quote, urlencode

import pytest

from exchange.audit import anomalies
from exchange.audit.checks import Name
from exchange.audit.console import alarms
from exchange.audit.console.alarms import Alarm
from exchange.audit.console.wording import Wording
from exchange.audit.index import Index
from exchange.audit.report import figures
from exchange.audit.report.forms import FORMS
from exchange.audit.report.making import Asked, make
from exchange.audit.report.telling import catalogue
from exchange.audit.rows import FACETS
from exchange.cli.check_words import CHECKS
from exchange.cli.journal_file import opened
from exchange.errors import Code, Fault
from exchange.journal.bundle import parse
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model.objects import DraftStep, News, Outcome, Step
from tests.audit.traded import everything, written
from tests.builders import border
from tests.console.opened import calling, setup
from tests.web.trial import CODES

WORDS = catalogue()
LANGS = ("es", "en")


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    return written(tmp_path_factory.mktemp("traded"), everything)


@pytest.fixture
def files(traded, tmp_path):
    """Copies, and where their index goes."""
    copies = [shutil.copy(each, tmp_path / each.name) for each in traded.files]
    return copies, tmp_path / "index"


@pytest.fixture
async def caller(files):
    async with calling(setup(*files, anchor=border().anchor)) as made:
        yield made


def pages(traded):
    identity = traded.ids["crossed"]
    return (
        "/",
        "/search",
        "/search?kind=accepted&order=oldest&limit=3",
        "/search?journal=pa&outcome=refused",
        f"/bulletin/{identity}",
        "/entries",
        "/entries?node=us&first=0",
        "/entry/pa/0",
        "/proof/pa/0",
        "/policy",
        "/anomalies",
        "/checks/pa",
        "/report?from=2026-11-01&to=2026-11-30",
    )


async def test_every_page_is_there_in_both_languages(caller, traded):
    await caller.verified()
    for path in pages(traded):
        for lang in LANGS:
            text = await caller.text(f"/{lang}{path}")
            assert f'lang="{lang}"' in text
            assert "EJERCICIO" in text if lang == "es" else "EXERCISE" in text


async def test_every_entry_of_both_journals_has_its_page(caller):
    for node, checked in caller.console.background.checked.items():
        await caller.verified()
        for index in range(checked.report.size):
            text = await caller.text(f"/en/entry/{node}/{index}")
            assert "Unreadable" not in text


async def test_overview_shows_both_journals_and_who_vouches(caller):
    await caller.verified()
    told = await caller.json("/es/overview.json")
    assert [each["node"] for each in told["journals"]] == ["pa", "us"]
    for each in told["journals"]:
        assert each["signed"]["code"] == ""
        assert each["verified"]["ok"]
        assert each["verified"]["anchored"]
        assert each["size"] == each["signed"]["size"] + each["uncovered"] + 1
        assert each["crossed"] > 0
    text = await caller.text("/en/")
    assert text.count("Verified, anchored") == 2


async def test_without_an_anchor_it_says_so(files):
    async with calling(setup(*files)) as caller:
        await caller.verified()
        text = await caller.text("/en/")
        assert text.count("unanchored: consistent with itself only") == 2
        assert "Verified, anchored" not in text


def reported(files):
    with ExitStack() as stack:
        both = [stack.enter_context(opened(each)) for each in files]
        return make(both, Asked("2026-07-01", "2026-12-31", border().anchor))


async def test_report_is_the_one_that_the_command_writes_in_each_form(caller, files):
    await caller.verified()
    period = "from=2026-07-01&to=2026-12-31"
    made = await asyncio.to_thread(reported, files[0])
    for path in (f"/en/report?{period}", "/es/report"):
        # Without a period: the half-year that the journals are in.
        assert figures.digest(made) in await caller.text(path)
    for name, form in FORMS.items():
        answer = await caller.ask(f"/en/report.{name}?{period}")
        assert (answer.status, answer.content_type) == (200, form.media_type)
        assert f"report.{name}" in answer.headers["Content-Disposition"]
        assert await answer.read() == form.write(made, "en", CODES)
    assert "National annex" in await caller.text(f"/en/report?{period}&annex=us")
    rows = made.table("verified").rows
    named = ",".join(f"{row[0]}:{row[1]}" for row in rows)
    page = await caller.text(f"/en/report?{period}&sizes={named}")
    assert figures.digest(made) in page
    # It stands in the form, and in what is to be saved.
    assert f'name="sizes" value="{named}"' in page
    assert page.count(quote(named, safe="")) == len(FORMS)
    # Half a period is none: it is asked for, and not made up.
    for wrong in ("from=2026-07-01", "to=2026-12-31"):
        assert (await caller.ask(f"/en/report?{wrong}")).status == 400, wrong
    for wrong in ("from=soon&to=2026-12-31", f"{period}&sizes=pa", f"{period}&sizes=pa:2,"):
        assert (await caller.ask(f"/en/report?{wrong}")).status == 400, wrong
    # No size of a checkpoint.
    assert (await caller.ask(f"/en/report?{period}&sizes=pa:2")).status == 422


async def test_there_is_no_report_before_all_of_it_holds(files):
    copies, index = files
    for mirrors, anchor, said in (
        (copies, None, "rests on an anchor"),
        (copies[:1], border().anchor, "both nations"),
    ):
        async with calling(setup(mirrors, index, anchor=anchor)) as caller:
            await caller.verified()
            assert said in await caller.text("/en/report")
            assert (await caller.ask("/en/report.json")).status == 404


async def test_a_flipped_byte_is_an_alarm_that_names_the_entry(files):
    copies, index = files
    with sqlite3.connect(copies[0]) as db:
        raw = bytearray(db.execute("SELECT bytes FROM entry WHERE idx = 20").fetchone()[0])
        raw[-3] ^= 1
        db.execute("UPDATE entry SET bytes = ? WHERE idx = 20", (bytes(raw),))
    db.close()
    async with calling(setup(copies, index, anchor=border().anchor)) as caller:
        await caller.verified()
        assert "TAMPERED: a check fails" in await caller.text("/en/")
        assert 'href="/en/entry/pa/20"' in await caller.text("/en/checks/pa")
        assert "Intact" in await caller.text("/en/checks/us")
        assert "are to be verified first" in await caller.text("/en/report")
        # What is no longer under the root that was signed has no proof that holds.
        assert "DOES NOT HOLD" in await caller.text("/en/proof/pa/20")
        assert not (await caller.json("/en/proof/pa/20.json"))["holds"]
        aside = caller.console.background.index_at
        assert aside.exists()
    # Nothing of it is kept: in an index it would be held against the honest mirror.
    with Index.open(index) as kept:
        assert kept.journals() == []
    assert not aside.parent.exists()


async def test_a_tree_that_is_not_the_signed_one_is_an_alarm(files):
    copies, index = files
    with sqlite3.connect(copies[1]) as db:
        at, run = db.execute("SELECT at, run FROM hashes ORDER BY at LIMIT 1").fetchone()
        db.execute(
            "UPDATE hashes SET run = ? WHERE at = ?", (bytes([run[0] ^ 1]) + run[1:], at)
        )
    db.close()
    async with calling(setup(copies, index, anchor=border().anchor)) as caller:
        (_, us) = (await caller.json("/en/overview.json"))["journals"]
        assert us["signed"]["code"] == "bad-checkpoint"
        assert "the checkpoint does not hold" in await caller.text("/en/")


async def test_verification_is_done_again_when_it_is_asked_for(caller):
    await caller.verified()
    before = caller.console.background.checked["pa"].report
    answer = await caller.post("/es/checks/pa")
    assert (answer.status, answer.headers["Location"]) == (303, "/es/checks/pa")
    await caller.verified()
    assert caller.console.background.checked["pa"].report is not before


async def test_address_is_the_query_and_files_say_the_same_as_the_page(caller):
    query = "type=voi&kind=accepted&journal=pa"
    told = await caller.json(f"/en/search.json?{query}")
    assert told["query"] == "journal=pa&kind=accepted&type=voi"
    assert told["total"] == len(told["rows"]) > 1
    sheet = (await (await caller.ask(f"/en/search.csv?{query}")).text()).splitlines()
    rows = list(csv.DictReader(io.StringIO("\n".join(sheet))))
    assert {row["index"] for row in rows} == {str(row["index"]) for row in told["rows"]}
    text = await caller.text(f"/en/search?{query}")
    assert all(f'href="/en/entry/pa/{row["index"]}"' in text for row in told["rows"])
    assert "search.csv?journal=pa&amp;kind=accepted&amp;type=voi" in text


async def test_csv_has_all_rows_whatever_the_page_shows(caller):
    await caller.verified()
    sizes = sum(each.report.size for each in caller.console.background.checked.values())
    text = await (await caller.ask("/en/search.csv?limit=1")).text()
    assert len(list(csv.reader(io.StringIO(text)))) == sizes + 1


async def test_each_view_is_saved_as_json_and_as_csv_by_the_links_on_its_page(caller, traded):
    await caller.verified()
    changed = next(
        each for each in await caller.json("/en/policy.json") if each["node"] == "us"
    )
    change = f"/policy/us/{changed['entry']}"
    for path, names in (
        ("/", "node,size,newest"),
        ("/checks/pa", "node,size,root,anchored,anchor,number,name,ok"),
        ("/search?kind=accepted", "taken,nation,journal"),
        (f"/bulletin/{traded.ids['crossed']}", "step,taken,nation"),
        ("/entries?node=us&first=3", "taken,nation,journal"),
        ("/entry/pa/3", "taken,nation,journal"),
        ("/proof/pa/3", "node,entry,leaf,holds,size,root,step,side,with,gives"),
        ("/anomalies", "at,rule,journal"),
        ("/policy", "taken,node,entry"),
        (change, "taken,node,entry"),
        (f"{change}/replay", "effect,before,after"),
    ):
        text = await caller.text(f"/en{path}")
        for form in ("csv", "json"):
            (link,) = re.findall(rf'href="(/en/[^"]*\.{form}[^"]*)"', text)
            answer = await caller.ask(link.replace("&amp;", "&"))
            assert answer.status == 200, (path, link)
            said = await answer.text()
            if form == "json":
                json.loads(said)
                continue
            assert answer.content_type == "text/csv"
            heads, *rows = list(csv.reader(io.StringIO(said)))
            assert ",".join(heads).startswith(names), path
            assert all(len(row) == len(heads) for row in rows), path


async def test_files_have_the_rows_of_their_page(caller):
    told = await caller.json("/en/entries.json?node=us&first=3")
    text = await (await caller.ask("/en/entries.csv?node=us&first=3")).text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [int(row["index"]) for row in rows] == [row["index"] for row in told["rows"]]
    assert told["rows"][0]["index"] == told["first"] == 3
    found = await caller.json("/en/anomalies.json")
    text = await (await caller.ask("/es/anomalies.csv")).text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["rule"] for row in rows] == [
        each["rule"] for each in found for _ in each["found"]
    ]
    standings = (await caller.json("/en/overview.json"))["journals"]
    text = await (await caller.ask("/en/overview.csv")).text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["signed_root"] for row in rows] == [
        each["signed"]["root"] for each in standings
    ]


async def test_pages_of_a_search_follow_each_other_and_leave_nothing_out(caller):
    seen, path = [], "/en/search.json?limit=7"
    while path:
        told = await caller.json(path)
        seen += [(row["journal"], row["index"]) for row in told["rows"]]
        path = told["next"] and f"/en/search.json?limit=7&cursor={told['next']}"
    assert len(seen) == len(set(seen)) == told["total"]


@pytest.mark.parametrize(
    ("typed", "where"),
    [
        ("type:voi+origin:pa.senan", "origin=pa.senan&type=voi"),
        ("0199-abc", "id=0199-abc"),
        ("from:2026-11-01", "from=2026-11-01"),
        ("nowhere:x", "id=nowhere%3Ax"),
        ("", ""),
    ],
)
async def test_what_is_typed_becomes_the_address(caller, typed, where):
    answer = await caller.ask(f"/en/search?q={typed}&kind=accepted")
    assert answer.status == 303
    told = answer.headers["Location"].partition("?")[2]
    expected = "&".join(filter(None, ("kind=accepted", where)))
    assert sorted(told.split("&")) == sorted(expected.split("&"))


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/search?colour=red", 400, "unknown-member"),
        ("/search?from=yesterday", 400, "wrong-value"),
        ("/search.json?limit=100000", 400, "wrong-value"),
        ("/bulletin/nothing", 404, "not-found"),
        ("/entry/pa/999999", 404, "not-found"),
        ("/entry/pa/-1", 400, "wrong-value"),
        ("/entry/pa/x", 400, "wrong-value"),
        ("/entry/zz/0", 404, "not-found"),
        ("/proof/zz/0", 404, "not-found"),
        ("/proof/pa/999999.json", 404, "not-found"),
        ("/policy/pa/0", 404, "not-found"),
        ("/policy/zz/0/replay", 404, "not-found"),
        ("/entries?node=zz", 404, "not-found"),
        ("/entries?first=one", 400, "wrong-value"),
        ("/checks/zz", 404, "not-found"),
    ],
)
async def test_what_cannot_be_shown_is_refused_by_its_code(caller, path, status, code):
    answer = await caller.ask(f"/en{path}")
    assert answer.status == status
    assert code in await answer.text()


async def test_story_has_both_journals_facts_with_their_proofs(caller, traded):
    identity = traded.ids["crossed"]
    told = await caller.json(f"/en/bulletin/{identity}.json")
    steps = [(each["row"]["journal"], each["step"]) for each in told["steps"]]
    expected = [("pa", "accepted"), ("us", "received"), ("pa", "corrects"), ("us", "cancels")]
    assert set(expected) <= set(steps)
    text = await caller.text(f"/es/bulletin/{identity}")
    for each in told["steps"]:
        row = each["row"]
        assert f'href="/es/proof/{row["journal"]}/{row["index"]}"' in text
    assert "Corrige" in text


async def test_proofs_of_covered_entries_hold_and_are_saved_for_others(caller, files):
    (pa, _), _ = files

    def read():
        with opened(pa) as source:
            return source.read(0, 1000)

    stored = await asyncio.to_thread(read)
    for each in stored[:: max(len(stored) // 8, 1)]:
        answer = await caller.ask(f"/en/proof/pa/{each.index}.json")
        if answer.status == 404:
            continue
        told = json.loads(await answer.text())
        assert told["holds"]
        file = await caller.ask(f"/en/proof/pa/{each.index}.tlog-proof")
        proof = parse(await file.read())
        assert proof.index == each.index
        assert len(proof.path) == len(told["steps"])
        assert leaf_hash(each.entry) == each.leaf
    newest = stored[-1].index
    assert "No checkpoint is of it yet" in await caller.text(f"/en/proof/pa/{newest}")


async def test_policy_says_what_changed_and_who_signed(caller):
    told = await caller.json("/en/policy.json")
    names = {(each["node"], each["name"]) for each in told}
    assert {("pa", "root"), ("pa", "targets"), ("us", "us")} <= names
    changed = next(each for each in told if (each["node"], each["version"]) == ("us", 2))
    assert any("suspended" in line for line in changed["lines"])
    assert len(changed["signers"]) == 2
    text = await caller.text(f"/es/policy/us/{changed['entry']}")
    assert "suspendido" in text


async def test_replay_says_whom_a_suspension_would_have_kept_from_the_month_before(caller):
    told = await caller.json("/en/policy.json")
    changed = next(each for each in told if (each["node"], each["version"]) == ("us", 2))
    text = await caller.text(f"/en/policy/us/{changed['entry']}/replay")
    assert "judged again." in text
    founding = next(each for each in told if each["name"] == "root" and each["node"] == "pa")
    text = await caller.text(f"/en/policy/pa/{founding['entry']}/replay")
    assert "0 bulletins judged again." in text


async def test_anomalies_lead_to_their_entries(caller):
    told = await caller.json("/en/anomalies.json")
    text = await caller.text("/en/anomalies")
    for rule in told:
        for found in rule["found"]:
            query = urlencode([tuple(each) for each in found["query"]])
            assert (await caller.json(f"/en/search.json?{query}"))["total"] > 0
            assert f"/en/search?{query}".replace("&", "&amp;") in text
    for name in anomalies.RULES:
        assert WORDS.text("en", f"anomaly.{name}") in text


async def test_of_what_is_followed_ages_are_shown_and_an_old_checkpoint_is_an_alarm(files):
    copies, index = files

    async def more():
        raise Fault(Code.NODE_UNREACHABLE, name="pa")

    made = setup(copies, index, follow=(more,))
    async with calling(made) as caller:
        assert caller.console.background.is_following
        text = await caller.text("/en/")
        assert "the node has not signed for too long" in text
        assert 'data-value="signed-pa"' in text


# -- words ----------------------------------------------------------------------------------


def test_checks_are_said_as_the_command_line_says_them():
    assert set(CHECKS) == set(get_args(Name))
    for name, (holds, fails) in CHECKS.items():
        for lang, place in (("es", 0), ("en", 1)):
            assert WORDS.text(lang, f"check.ok.{name}") == holds[place]
            assert WORDS.text(lang, f"check.bad.{name}") == fails[place]


@pytest.mark.parametrize("lang", LANGS)
def test_every_code_that_a_row_may_have_has_words(lang):
    wording = Wording(WORDS, CODES, lang)
    for kind in (*entries.KINDS, "unreadable"):
        assert wording.kind(kind)
        assert WORDS.has(f"meaning.{kind}")
    for outcome in get_args(Outcome):
        assert wording.outcome(outcome, "acknowledged") != outcome
    for about in get_args(News):
        assert wording.outcome(about, "notice") != about
    others = ["accepted", "received", "late", "unwitnessed", "declined", "released", "refused"]
    others += ["granted", "confirmed", "consented", "consent-withdrawn", "purge-ordered"]
    others += ["purged", "invited", "enrolment-asked", "enrolment-approved"]
    others += ["enrolment-declined", "in-force", "in-force-abroad", "bookkeeping", "read"]
    others += ["unreadable"]
    others += [f"grant-{each}" for each in get_args(Step)]
    others += [f"release-{each}" for each in get_args(DraftStep)]
    others += ["supersedes", "corrects", "cancels", "answers", "names"]
    for outcome in (*others, *get_args(Outcome), *get_args(News)):
        assert wording.outcome(outcome) != outcome, outcome
    for facet in (*FACETS, "journal"):
        assert WORDS.has(f"facet.{facet}")
    for code in Code:
        said = wording.code(code.value)
        assert said
        assert not set("[]{}") & set(said) or "{" in said


def test_a_code_is_said_without_its_facts():
    assert Wording(WORDS, CODES, "en").code("oversized") == "It is too large."
    assert Wording(WORDS, CODES, "en").code("silence").startswith("its originator")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (1, "1 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7200, "2 h"),
        (172_800, "2 days"),
    ],
)
def test_ages_are_in_one_unit(seconds, told):
    assert Wording(WORDS, CODES, "en").age(seconds) == told


def test_alarms_are_loudest_first():
    away = Fault(Code.NODE_UNREACHABLE)
    assert alarms.of([], {}, away, None) == [Alarm("warn", "away", "", "node-unreachable")]
