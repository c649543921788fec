"""Two nations' journals tell the same of what crossed; where not, the entry is named."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import msgspec
import pytest

from exchange.audit import crossed
from exchange.audit.crossed import compare
from exchange.audit.report.shared import share
from exchange.cli.journal_file import opened
from exchange.custody.founding import NodePlan
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model.codec import b64
from tests import builders
from tests.audit.made import Made
from tests.audit.traded import everything, written
from tests.builders import (
    DESK,
    ENDPOINTS,
    FOUNDED,
    WATCH,
    Founder,
    Randomness,
    border,
    certificate,
    digest,
    refers,
)


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    return written(tmp_path_factory.mktemp("traded"), everything)


def compared(home, there):
    with opened(home) as one, opened(there) as other:
        return compare(one, other)


def kinds_from(file, node):
    with opened(file) as source:
        found = [(each.index, entries.decode(each.entry).facts) for each in source.read(0, 999)]
    return [
        (index, facts)
        for index, facts in found
        if (home := entries.home_of(facts)) and home.node == node
    ]


def test_what_crossed_is_in_both_and_the_rest_is_counted_apart(traded):
    for home, there in ((traded.pa, traded.us), (traded.us, traded.pa)):
        told = compared(home, there)
        assert (told.ok, told.home, told.there) == (True, home.stem, there.stem)
        assert told.held == len(kinds_from(there, home.stem)) > 5
        with opened(home) as source:
            assert told.held + told.waiting + told.blinded == source.size()
        assert told.waiting == 0
    # The domestic bulletin, and each node's own bookkeeping.
    assert compared(traded.pa, traded.us).blinded >= 3


def alter(file, index):
    """Change what stands in an entry, so that it is another, and still can be read."""
    with closing(sqlite3.connect(file)) as db:
        (raw,) = db.execute("SELECT bytes FROM entry WHERE idx = ?", (index,)).fetchone()
        changed = raw.replace(b'"taken_ms":1', b'"taken_ms":2', 1)
        assert changed != raw
        db.execute("UPDATE entry SET bytes = ? WHERE idx = ?", (changed, index))
        db.commit()


@pytest.mark.parametrize("kind", ["accepted", "refused", "trust-received", "granted"])
def test_entry_that_is_another_at_its_home_is_named(traded, tmp_path, kind):
    pa = shutil.copy(traded.pa, tmp_path / "pa.db")
    index, facts = next(
        each for each in kinds_from(traded.us, "pa") if entries.kind_of(each[1]) == kind
    )
    alter(pa, facts.home.index)
    told = compared(pa, traded.us)
    assert (told.ok, told.first, told.code, told.at) == (False, index, "bad-proof", "/home")
    # It came, as another: it is neither on its way nor kept back.
    assert (told.waiting, told.overtaken) == (0, 0)


def lose(file, index, hashed):
    """Put a stub in the place of an entry, with the hash of some bytes."""
    with closing(sqlite3.connect(file)) as db:
        (raw,) = db.execute("SELECT bytes FROM entry WHERE idx = ?", (index,)).fetchone()
        facts = entries.decode(raw).facts
        said = {"taken_ms": facts.taken_ms, "view": facts.view, "salt": facts.salt}
        stub = entries.Lost(leaf=b64(leaf_hash(hashed or raw)), **said)
        db.execute("UPDATE entry SET bytes = ? WHERE idx = ?", (entries.encode(stub), index))
        db.commit()


@pytest.mark.parametrize(
    ("kind", "hashed", "ok"),
    [
        ("accepted", b"", True),
        ("granted", b"", True),
        ("refused", b"", True),
        ("accepted", b"another", False),
        ("trust-received", b"", False),
    ],
)
def test_entry_that_its_home_declared_lost_is_held_to_its_hash(
    traded, tmp_path, kind, hashed, ok
):
    pa, whole = shutil.copy(traded.pa, tmp_path / "pa.db"), compared(traded.pa, traded.us)
    index, facts = next(
        each for each in kinds_from(traded.us, "pa") if entries.kind_of(each[1]) == kind
    )
    lose(pa, facts.home.index, hashed)
    told = compared(pa, traded.us)
    if ok:
        assert told == msgspec.structs.replace(whole, held=whole.held - 1, lost=1)
    else:
        assert (told.ok, told.first, told.code, told.at) == (False, index, "bad-proof", "/home")
        assert (told.held, told.lost) == (whole.held - 1, 0)


def test_mirror_that_was_pulled_first_convicts_nobody(traded, tmp_path):
    """What came there from behind its end is for a newer mirror; all else is held to it."""
    pa = shutil.copy(traded.pa, tmp_path / "pa.db")
    (early, facts), *_, (_, last) = sorted(
        kinds_from(traded.us, "pa"), key=lambda each: each[1].home.index
    )
    with closing(sqlite3.connect(pa)) as db:
        db.execute("DELETE FROM entry WHERE idx >= ?", (last.home.index,))
        db.commit()
    told, whole = compared(pa, traded.us), compared(traded.pa, traded.us)
    assert (told.ok, told.beyond, told.held) == (True, 1, whole.held - 1)
    assert whole.beyond == 0
    _, out = verify(pa, traded.us, "--mirror", "--anchor", border().anchor)
    assert "1 that came there are newer than this copy of pa" in out
    alter(pa, facts.home.index)
    told = compared(pa, traded.us)
    assert (told.ok, told.first, told.beyond) == (False, early, 1)


class Lacking:
    """A journal, some of whose entries are another that never crossed."""

    def __init__(self, source, *lost):
        self._source, self._lost, self.size = source, lost, source.size
        self.read = lambda first, limit: [
            msgspec.structs.replace(each, entry=source.read(0, 1)[0].entry)
            if each.index in lost
            else each
            for each in source.read(first, limit)
        ]


def test_what_later_ones_overtook_is_not_said_to_be_on_its_way(traded):
    came = kinds_from(traded.us, "pa")
    flash, amending, *_ = [each for each in came if entries.kind_of(each[1]) == "accepted"]
    grant = next(each for each in came if entries.kind_of(each[1]) == "granted")
    assert flash[1].home.index < grant[1].home.index < amending[1].home.index

    def told(*lost):
        with opened(traded.pa) as home, opened(traded.us) as there:
            found = compare(home, Lacking(there, *(index for index, _ in lost)))
        assert found.ok
        return found.waiting, found.overtaken, found.first_overtaken

    # A routine one after it came in its turn: the grant was passed over.
    assert told(grant) == (0, 1, grant[1].home.index)
    # All after it lack: it may be on its way still.
    owed = [each for each in came if entries.kind_of(each[1]) != "trust-received"]
    later = [each for each in owed if each[1].home.index >= grant[1].home.index]
    assert told(*later) == (len(later), 0, None)
    # FLASH goes ahead of all: that it is there says nothing of what stands before it.
    with opened(traded.pa) as home:
        went = {
            each[1].home.index: crossed.went_in_turn(
                entries.decode(home.read(each[1].home.index, 1)[0].entry)
            )
            for each in (flash, amending)
        }
    assert went == {flash[1].home.index: False, amending[1].home.index: True}


async def purging(both, ids):  # noqa: ARG001
    """What crossed is withdrawn, and destroyed by an order of each node; then more crosses."""
    sent = border().envelope(to=[WATCH])
    assert (await both.pa.post(sent)).refusal is None
    await both.settle()
    told = {"type": "can", "verb": "cancel", "declares": ["must-purge"]}
    gone = border().envelope(to=[WATCH], **told, refs=refers("cancels", sent))
    assert (await both.pa.post(gone)).refusal is None
    await both.settle()
    for side in (both.pa, both.us):
        await side.node.retainer.step()
    assert (await both.us.post(border().ack(gone, WATCH), WATCH)).refusal is None
    assert (await both.pa.post(border().envelope(to=[WATCH]))).refusal is None
    await both.settle()


def test_order_to_purge_is_each_node_s_own_and_neither_keeps_it_back(tmp_path):
    made = written(tmp_path, purging)
    for home, there in (made.files, made.files[::-1]):
        with opened(home) as source:
            facts = [entries.decode(each.entry).facts for each in source.read(0, 99)]
        (order,) = [each for each in facts if isinstance(each, entries.PurgeOrdered)]
        assert WATCH in [each.endpoint for each in order.owed]
        told = compared(home, there)
        found = (told.ok, told.waiting, told.overtaken, told.first_overtaken)
        assert found == (True, 0, 0, None)
    with opened(made.pa) as one, opened(made.us) as other:
        shared = share([one, other], {})
    assert (set(shared.waiting.values()), set(shared.overtaken.values())) == ({0}, {0})


def test_what_a_node_is_owed_follows_whom_it_serves_and_not_its_name():
    """Second nodes, by the names that the directory gives them."""
    founder = Founder(Randomness("exercise second nodes"), FOUNDED, ["xb1-h"])
    plans = [
        NodePlan(f"{nation}-2", "https://localhost:8443", certificate()[1], serves=(nation,))
        for nation in ("pa", "us")
    ]
    land = builders._founded_at(founder, dict.fromkeys(ENDPOINTS, "xb1-h"), *plans)
    home, there = Made("pa-2"), Made("us-2")
    for endpoint in (WATCH, DESK):
        home.add(
            entries.Acknowledged, digest=digest(b"a"), of=0, owed=[entries.Owed(endpoint, 0)]
        )
    home.trust(land.documents)
    told = compare(home, there)
    # The directory, and what is owed to the other nation's.
    assert (told.waiting, told.blinded) == (len(land.documents) + 1, 2)


def verify(*words, lang="en"):
    return run("verify", *words, lang=lang)


def run(verb, *words, lang="en"):
    ran = subprocess.run(
        [sys.executable, "-m", "exchange", "--lang", lang, "audit", verb, *map(str, words)],
        capture_output=True, text=True, timeout=90, check=False,
        env={**os.environ, "EXCHANGE_HOME": str(words[0].parent)},
    )  # fmt: skip
    return ran.returncode, ran.stdout


def test_both_are_verified_and_then_held_to_each_other(traded, tmp_path):
    anchored = ("--mirror", "--anchor", border().anchor)
    code, out = verify(*traded.files, *anchored, "--json")
    told = json.loads(out)
    assert (code, [each["ok"] for each in told["journals"]]) == (0, [True, True])
    assert [(each["home"], each["there"], each["ok"]) for each in told["crossed"]] == [
        ("pa", "us", True),
        ("us", "pa", True),
    ]
    # What was judged, attested and blinded is told apart.
    assert all(each["replayed"] and each["attested"] for each in told["journals"])
    assert verify(*traded.files, "--mirror")[0] == 6
    for lang, said in (("es", "de ninguna incumbencia allá"), ("en", "of no concern there")):
        assert said in verify(*traded.files, *anchored, lang=lang)[1]
    # Another course of the same exchange: each holds by itself, and they do not agree.
    other = written(tmp_path, everything)
    code, out = verify(traded.pa, other.us, *anchored, "--json")
    told = json.loads(out)
    assert (code, [each["ok"] for each in told["journals"]]) == (5, [True, True])
    assert not told["crossed"][0]["ok"]
    assert verify(traded.pa, traded.pa, *anchored)[0] == 2
    # And no report is made of them.
    period = ("--from", "2026-07-01", "--to", "2026-12-31", "--out", tmp_path / "report.html")
    code, out = run("report", traded.pa, other.us, *anchored[1:], *period)
    assert (code, (tmp_path / "report.html").exists()) == (5, False)
    assert "first entry affected at us" in out
