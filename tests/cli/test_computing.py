"""``draft sta``: computed from what both nations' officers sent each other, sealed."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from exchange.cli import output
from exchange.cli.home import Home
from tests.builders import OPS, WATCH
from tests.cli.boarding import ASKED, ASKER, Desks, desks
from tests.link.asking import step

if TYPE_CHECKING:
    from pathlib import Path

PERIOD = ("draft", "sta", "--from", "2026-07-01", "--to", "2026-12-31")


async def test_sta_is_computed_from_sealed_bulletins_of_both_sides(tmp_path: Path, monkeypatch):
    async with desks(tmp_path, monkeypatch) as both:
        theirs = both.draft("szr-2.en.toml", OPS, **{"412.75": "58123.45"})
        await both.json(ASKED, "post", theirs, "--yes")
        # Ours is of the same event and weight, and counts arrests.
        ours = both.draft("szr-1.es.toml", WATCH)
        await both.json(ASKER, "post", ours, "--yes")
        await step(both.both)
        out = tmp_path / "sta.json"
        told = await both.json(ASKER, *PERIOD, "--out", str(out))
        content = told["draft"]["bulletin"]["content"]
        assert content["counts"] == [{"type": "szr", "n": 2}]
        amounts = [each["quantity"] for each in content["drug_totals"]]
        assert [(e.get("value"), e.get("packages")) for e in amounts] == [
            (None, 34), (58123.45, None),
        ]  # fmt: skip
        assert (content["arrests"], told["alike"], told["doubles"]) == (4, [], [])
        by_id = {each["id"]: each["origin"] for each in told["sources"]}
        assert sorted(by_id.values()) == ["pa.senan", "us.jiatfs"]
        assert [[by_id[e] for e in each["bulletins"]] for each in told["figures"]][1:3] == [
            ["pa.senan"],
            ["us.jiatfs"],
        ]
        marking = told["draft"]["post"]["marking"]
        assert (marking["tlp"], marking["handling"]) == ("amber", ["h2"])
        assert json.loads(out.read_text("utf-8")) == told["draft"]
        assert (await both.at(ASKER, "check", "--offline", str(out))).code == 0
        # The other side computes the same from its own; an officer there takes both for one.
        one, other = by_id
        there = await both.json(ASKED, *PERIOD, "--same", f"{one}={other}")
        assert there["draft"]["bulletin"]["content"]["reconciled"][0]["reconciliation"] == (
            "differs"
        )
        assert [each["quantity"]["value"] for each in
                there["draft"]["bulletin"]["content"]["drug_totals"]] == [58123.45]  # fmt: skip
        said = await both.at(
            ASKED, "--lang", "es", *PERIOD, "--same", f"{one}={other}", "--out", f"{out}2"
        )
        assert "Contado una vez (por --same)" in said.err
        # Whoever looks the table over needs all the digits that the draft has.
        assert "58,123.45 kg" in said.out
        (row,) = (e for e in said.out.splitlines() if e.startswith("Eventos conciliados: "))
        assert "Las partes difieren; 58,123.45 kg" in row
        assert "pa.senan" in row
        assert "us.jiatfs" in row
        assert (await both.at(ASKER, *PERIOD, "--same", "x=y")).code == 1
        assert (await both.at(ASKER, "draft", "szr", *PERIOD[2:])).code == 2
        assert (await both.at(ASKER, *PERIOD, "--out", str(out))).code == 2


async def test_event_that_crossed_in_several_envelopes_alone_says_that_it_is_not_told(
    tmp_path: Path, monkeypatch
):
    async with desks(tmp_path, monkeypatch) as both:
        for who, to in ((ASKER, WATCH), (ASKED, OPS)):
            draft = both.draft("szr-2.en.toml", to)
            for _ in range(2):
                await both.json(who, "post", draft, "--yes")
        await step(both.both)
        told = await both.json(ASKER, *PERIOD)
        assert [(each["untold"], each["reconciliation"]) for each in told["doubles"]] == [
            ("unnamed", "agreed")
        ]
        assert "reconciled" not in told["draft"]["bulletin"]["content"]
        for lang, said in (("es", "ninguno se puede nombrar"), ("en", "none may be named")):
            assert said in (await both.at(ASKER, "--lang", lang, *PERIOD)).err


async def test_what_another_machine_cancelled_is_out_and_what_cannot_be_known_is_said(
    tmp_path: Path, monkeypatch
):
    async with desks(tmp_path, monkeypatch) as both:
        ours = both.draft("szr-1.es.toml", WATCH)
        posted = await both.json(ASKER, "post", ours, "--yes")
        told = await both.json(ASKER, *PERIOD)
        assert (len(told["sources"]), told["unasked"], told["unasked_why"]) == (1, [], None)
        two, cut = (Desks(both.both, tmp_path / name) for name in ("two", "cut"))
        for each in (two, cut):
            shutil.copytree(tmp_path / "home", each.folder / "home")
        gone = two.draft("can-2.en.toml", WATCH)
        words = ("post", gone, "--target", posted["id"], "--yes")
        assert (await two.at(ASKER, *words)).code == 0
        told = await both.json(ASKER, *PERIOD)
        assert (told["sources"], told["not_counted"], told["unasked"]) == ([], [], [])
        # A third machine, that cannot reach the node, does not know of it: and says so.
        context = Home(cut.folder / "home").current(ASKER)
        context.move("https://127.0.0.1:9", context.profile().certificate)
        ran = await cut.at(ASKER, *PERIOD, "--json")
        assert (ran.code, len(ran.json["sources"])) == (output.EXIT_AWAY, 1)
        assert (ran.json["unasked"], ran.json["unasked_why"]["code"]) == (
            [posted["id"]],
            "node-unreachable",
        )
        for lang, said in (("es", "De 1 de lo enviado"), ("en", "Of 1 posted from here")):
            err = (await cut.at(ASKER, "--lang", lang, *PERIOD)).err
            assert said in err
            assert posted["id"] in err
