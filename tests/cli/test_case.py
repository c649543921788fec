"""``exchange case``: what officers of both nations are told of a boarding, and can show."""

from __future__ import annotations

import pytest

from tests.builders import OPS, WATCH, border
from tests.cli.boarding import ASKED, ASKER, desks
from tests.link.asking import DUE, step


async def test_look(tmp_path, monkeypatch):
    async with desks(tmp_path, monkeypatch) as both:
        told = await both.ask()
        print(told)
        await step(both.both)
        for lang in ("en", "es"):
            for who in (ASKER, ASKED):
                ran = await both.at(who, "--lang", lang, "case", told["id"])
                print(who, ran.out, ran.err)
                print((await both.at(who, "--lang", lang, "inbox")).out)
                print((await both.at(who, "--lang", lang, "case")).out)
        both.both.clock.ms = (DUE - 240) * 1000
        print((await both.at(ASKED, "inbox")).out)
        both.both.clock.ms = (DUE + 61) * 1000
        print((await both.at(ASKER, "inbox")).out)
        print((await both.at(ASKER, "case", told["id"])).out)
        for _ in range(2):
            await step(both.both)
        file = tmp_path / "case.evidence"
        ran = await both.at(ASKER, "case", told["id"], "--export", str(file), "--with-content")
        print(ran.out, ran.err)
        print((await both.run("case", "--check", str(file), "--anchor", border().anchor)).out)
        assert 0
