"""`exchange arrangement`: what is in force, what changed, and what let an entry in."""

from __future__ import annotations

import pytest

from exchange.cli import world as cli_world
from exchange.seal import trust, trust_making
from tests import builders
from tests.builders import DAY, OPS
from tests.cli.exercise import OPS as OPS_CONTEXT
from tests.cli.exercise import Exercise
from tests.cli.test_keys import admit, publish

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
    renewed, *keys = said["en"]
    assert renewed.startswith("Panama (pa): version 1 → 2")
    assert all(OPS in each for each in keys if "endpoints" in each)
    assert any("until: was" in each for each in keys)
    assert told(made, "diff", str(now["index"]))["changes"] == {"es": [], "en": []}
    text = made.at(OPS_CONTEXT, "--lang", "en", "arrangement", "diff", str(index)).out
    assert "Panama (pa): version 1 → 2" in text
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
    assert (ran.code, ran.json["error"]["code"]) == (3, "other-anchor")
    ran = made.run(*words[:-2], "--json", EXCHANGE_HOME=str(tmp_path))
    assert ran.code == 2


def test_what_ran_out_is_told_and_ends_with_a_refusal(made, tmp_path):
    founded, now = made.place.founded, cli_world.now()
    view = trust.follow(founded.documents, founded.anchor, now)
    # Of the day that is not over yet: a busy machine takes its seconds.
    made_of_pa, files = trust_making.of_nation(view, "pa", [], now - DAY + 600)
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
    assert [(each["role"], each["days_left"]) for each in ran.json["ending"]] == [("pa", -1)]
    said = made.run("--lang", "en", *words).out
    assert "(pa) ended on" in said
    assert "propose --refresh pa" in said
    assert "pa, good until" in made.run("--lang", "en", *words).out
    assert "Venció" in made.run("--lang", "es", *words).out
    ran = made.run(*[*words[:1], "show", *words[2:]], "--json")
    states = {row["name"]: row["state"] for row in ran.json["files"]}
    assert (states["pa"], states["us"]) == ("expired", "in-force")
