"""`exchange arrangement`: what is in force, what changed, and what let an entry in."""

from __future__ import annotations

import msgspec
import pytest

from exchange.cli import world as cli_world
from exchange.cli.arranging.comparing import WORDS, Change, changes, line
from exchange.model.trust import Targets
from exchange.seal import trust, trust_making
from tests import builders
from tests.builders import COAST, DAY, FOUNDED, NOW, OPS, WATCH
from tests.cli.exercise import OPS as OPS_CONTEXT
from tests.cli.exercise import Exercise
from tests.cli.test_keys import admit, publish
from tests.vectors.changes import keys_from
from tests.vectors.trusting import rearrangement

WORLD = builders.world()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    made = Exercise(tmp_path_factory.mktemp("arrangement"))
    made.start()
    yield made
    assert made.stop() == 0, made.log.read_text()


def told(made, *words):
    ran = made.at(OPS_CONTEXT, "arrangement", *words, "--json")
    assert ran.code == 0, ran.out
    return ran.json


def test_it_says_which_version_is_in_force_who_signed_and_until_when(made):
    shown = told(made, "show")
    rows = {row["name"]: row for row in shown["files"]}
    assert list(rows)[:4] == ["root", "targets", "pa", "us"]
    assert {"timestamps/pa", "snapshots/pa"} <= rows.keys()
    assert rows["root"]["signed_by"] == [
        *("pa-custodian-1", "pa-custodian-2", "us-custodian-1", "us-custodian-2")
    ]
    assert rows["us"]["signed_by"] == ["us-custodian-1", "us-custodian-2"]
    assert rows["timestamps/pa"]["signed_by"] == ["pa"]
    assert {row["state"] for row in rows.values()} == {"in-force"}
    assert shown["anchor"] == made.place.founded.anchor
    assert (shown["members"], shown["endpoints"]) == (2, 4)


def test_which_agreement_let_an_entry_in_has_one_answer(made):
    ran = made.at(OPS_CONTEXT, "post", made.draft(), "--yes", "--json")
    assert ran.code == 0, ran.out
    index = ran.json["index"]
    request = made.folder / "request.jws"
    asked = made.at(OPS_CONTEXT, "keys", "rotate", "--out", str(request), "--json").json
    assert asked["step"] == "asked"
    assert admit(made, request, "pa").code == 0
    ran = publish(made)
    assert ran.code == 0, ran.out
    published = ran.json["index"]
    then, now = told(made, "show", "--entry", str(index)), told(made, "show")
    assert then["index"] < index < published <= now["index"]
    versions = [
        {row["name"]: row["version"] for row in each["files"]}["pa"] for each in (then, now)
    ]
    assert versions == [1, 2]
    said = told(made, "diff", str(index))["changes"]
    kinds = {(each["kind"], each["name"]) for each in said}
    assert {("renewed", "pa"), ("key-added", OPS), ("key-dates", OPS)} <= kinds
    assert told(made, "diff", str(now["index"]))["changes"] == []
    text = made.at(OPS_CONTEXT, "--lang", "en", "arrangement", "diff", str(index)).out
    assert "pa: version 1 becomes 2" in text
    text = made.at(
        OPS_CONTEXT, "--lang", "es", "arrangement", "show", "--entry", str(index)
    ).out
    assert f"se decidió según los documentos del asiento {then['index']}" in text


def test_it_verifies_from_the_anchor_with_or_without_a_node(made, tmp_path):
    assert told(made, "verify")["ok"] is True
    files = made.place.node / "trust"
    anchor = made.place.founded.anchor
    words = ["arrangement", "verify", "--trust", str(files), "--anchor", anchor]
    ran = made.run(*words, "--json", EXCHANGE_HOME=str(tmp_path))
    assert (ran.code, ran.json["ok"], ran.json["documents"]) == (0, True, 4)
    ran = made.run(*words[:-1], "A" * 43, "--json", EXCHANGE_HOME=str(tmp_path))
    assert (ran.code, ran.json["error"]["code"]) == (1, "trust-invalid")
    ran = made.run(*words[:-2], "--json", EXCHANGE_HOME=str(tmp_path))
    assert ran.code == 2


def test_what_ran_out_is_told_and_ends_with_a_refusal(made, tmp_path):
    founded, now = made.place.founded, cli_world.now()
    view = trust.follow(founded.documents, founded.anchor, now)
    made_of_pa, files = trust_making.of_nation(view, "pa", [], now - DAY)
    by = [
        builders.SoftwareSigner.of(founded.custodians[f"pa-custodian-{n}"].of("sign"))
        for n in (1, 2)
    ]
    late = trust_making.signed(made_of_pa, files, by)
    for place, raw in enumerate([*founded.documents, late]):
        (tmp_path / f"{place}.trust").write_bytes(raw)
    words = ["arrangement", "verify", "--trust", str(tmp_path), "--anchor", founded.anchor]
    ran = made.run(*words, "--json")
    assert (ran.code, ran.json["ok"]) == (1, False)
    assert [each["code"] for each in ran.json["problems"]] == ["trust-expired"]
    assert "pa, good until" in made.run("--lang", "en", *words).out
    assert "Venció" in made.run("--lang", "es", *words).out
    ran = made.run(*[*words[:1], "show", *words[2:]], "--json")
    states = {row["name"]: row["state"] for row in ran.json["files"]}
    assert (states["pa"], states["us"]) == ("expired", "in-force")


# -- in words ----------------------------------------------------------------------------------


def kinds(*documents, there=WORLD):
    return {each.kind for each in changes(there.view, there.later(*documents))}


def test_every_kind_of_change_is_found_and_has_words_in_both_languages():
    def changed(**told):
        return WORLD.amended(OPS, lambda each: msgspec.structs.replace(each, **told))

    circles = WORLD.founder.circles
    successor = builders.Founder(builders.Randomness("successor"), FOUNDED)
    third = tuple(
        msgspec.structs.replace(each, name=f"new-{each.name}")
        for each in successor.circles["pa"].signatories
    )
    people = (*circles["pa"].signatories, third[0])
    more = {**circles, "pa": circles["pa"]._replace(signatories=people)}
    fewer = {**circles, "pa": circles["pa"]._replace(signatories=third)}
    until, online = WORLD.founder.expires, WORLD.view.online
    signers = WORLD.founder.signers()
    added = WORLD.signed_by(
        trust_making.root(2, until, more, online), *signers, successor.signers(["pa"])[0]
    )
    gone = WORLD.signed_by(
        trust_making.root(2, until, fewer, online), *signers, *successor.signers(["pa"])
    )
    then = WORLD.after(added)
    tight = {**more, "pa": more["pa"]._replace(threshold=3)}
    strict = then.signed_by(
        trust_making.root(3, until, tight, online),
        *signers[:2], successor.signers(["pa"])[0], *signers[2:],
    )  # fmt: skip
    feeds = builders.feeds()
    node = msgspec.structs.replace(WORLD.view.nodes["pa"], version=2, url="https://other")
    us = msgspec.structs.replace(
        node, version=1, node="us", nation="us", receipts=WORLD.view.nodes["pa"].receipts
    )
    member = msgspec.structs.replace(WORLD.member("us.jiatfs"), version=2)
    shorter = msgspec.structs.replace(member, endpoints=member.endpoints[:1])
    found = (
        kinds(added)
        | kinds(gone)
        | kinds(strict, there=then)
        | kinds(WORLD.rearranged(feeds=feeds[:1], targets=Targets(1, 2, 3, 4)))
        | kinds(WORLD.rearranged(feeds=[msgspec.structs.replace(feeds[0], read=["us.uscg"])]))
        | kinds(
            WORLD.rearranged(feeds=feeds[1:]),
        )
        | kinds(WORLD.signed(node, ["pa"]))
        | kinds(WORLD.signed(us, ["us"]))
        | kinds(WORLD.signed(shorter, ["us"]))
        | kinds(changed(status="suspended"))
        | kinds(changed(roles=["reader"]))
        | kinds(changed(keys=[]))
        | kinds(WORLD.amended(OPS, keys_from("sig", 0, FOUNDED, NOW + DAY)))
        | kinds(WORLD.subscription(COAST))
    )
    back = WORLD.after(WORLD.signed(shorter, ["us"]), WORLD.rearranged(feeds=feeds[:1]))
    again = msgspec.structs.replace(member, version=3)
    found |= kinds(back.signed(again, ["us"]), there=back)
    full = rearrangement(WORLD, version=3)
    found |= kinds(back.signed(full), there=back)
    assert found == WORDS.keys()
    for kind in WORDS:
        for lang in ("es", "en"):
            assert "{" not in line(_any(kind), lang)
    assert WATCH in {each.name for each in changes(builders.View(anchor="x"), WORLD.view)}


def _any(kind):
    return Change(kind, "nombre", "", "después")
