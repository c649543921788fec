"""One damaged row locks nobody out, and nothing goes without a word."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from exchange.cli import losing
from exchange.client import attesting, losses, purging
from exchange.client.cabinet import FILE
from exchange.client.losses import Loss
from exchange.client.memory import Memory
from exchange.errors import Code, Fault, Refusal
from exchange.model import entry as entries
from tests.api.serving import serving
from tests.builders import DAY, NOW, WATCH, world
from tests.client.dealing import agency, cabinet, draft
from tests.node.running import journal, post

UNKNOWN = "01a229f1-2800-7768-b6ef-52555962d008"
NOWHERE = "https://127.0.0.1:1"


def spoil(folder, drawer, count=-1):
    """Change every row of a drawer, or so many of its first, on the disk."""
    with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as file:
        changed = file.execute(
            "UPDATE row SET sealed = zeroblob(80) WHERE seq IN"
            " (SELECT seq FROM row WHERE drawer = ? ORDER BY seq LIMIT ?)",
            (drawer, count),
        ).rowcount
    assert changed, f"nothing in {drawer}"


def rows(folder, drawer):
    with closing(sqlite3.connect(folder / FILE)) as file:
        found = file.execute("SELECT count(*) FROM row WHERE drawer = ?", (drawer,))
        return found.fetchone()[0]


def purge(folder, now):
    """As every command begins; what it told."""
    told = []
    with closing(cabinet(folder)) as mail:
        mail.on_loss = told.append
        purging.purge(mail, now * 1000)
        assert [each for each in losses.listed(mail) if each in told] == told
    return told


async def posted(line):
    prepared = await line.prepare(draft())
    await line.post(prepared)
    return prepared.header.id


async def accepted(door):
    return [e for e in await journal(door.node) if isinstance(e.facts, entries.Accepted)]


# -- what was received --------------------------------------------------------------------


@pytest.mark.parametrize("drawer", ["item", "trust", "body", "heard"])
async def test_damaged_row_of_what_was_received_is_had_again(tmp_path, drawer):
    async with serving() as door:
        async with agency(door.url, tmp_path / "out") as line:
            for _ in range(3):
                await posted(line)

        def reading():
            memory = Memory(tmp_path / "trust.json")
            return agency(door.url, tmp_path / "in", WATCH, memory=memory)

        async with reading() as line:
            first = await line.everything()
        spoil(tmp_path / "in", drawer, 1)
        assert purge(tmp_path / "in", NOW) == []
        told = []
        async with reading() as line:
            line.world.cabinet.on_loss = told.append
            assert await line.everything() == first
        assert told == [Loss(drawer, "again")]
        async with reading() as line:
            line.world.cabinet.on_loss = told.append
            assert await line.everything() == first
        assert len(told) == 1


async def test_damaged_row_while_the_node_is_away_hides_what_follows_and_says_so(tmp_path):
    async with serving() as door:
        await post(door.node, world().envelope(to=[WATCH]))
        async with agency(door.url, tmp_path / "in", WATCH) as line:
            assert len(await line.everything()) == 1
    spoil(tmp_path / "in", "item")
    told = []
    async with agency(NOWHERE, tmp_path / "in", WATCH) as line:
        line.world.cabinet.on_loss = told.append
        shown = await line.known()
    assert (shown.items, shown.away.code) == ([], Code.NODE_UNREACHABLE)
    assert told == [Loss("item", "again")]


# -- what is overdue ----------------------------------------------------------------------


@pytest.mark.parametrize("drawer", ["content-key", "posted.due", "posted.sealed"])
async def test_damaged_row_of_what_was_posted_stops_no_purge(tmp_path, drawer):
    async with serving() as door, agency(door.url, tmp_path / "out") as line:
        ids = [await posted(line) for _ in range(3)]
    spoil(tmp_path / "out", drawer, 1)
    assert purge(tmp_path / "out", NOW + 29 * DAY) == []
    assert purge(tmp_path / "out", NOW + 31 * DAY) == [Loss(drawer, "gone", ids[0])]
    assert purge(tmp_path / "out", NOW + 31 * DAY) == []
    with closing(cabinet(tmp_path / "out")) as mail:
        box = agency(NOWHERE, tmp_path / "out").world.outbox
        envelopes = [box.envelope(each) for each in ids]
        assert [each.body for each in envelopes if each] == [b""] * (
            2 if drawer == "posted.sealed" else 3
        )
        assert box.sent() == sorted(ids)
        assert not mail.sound("content-key")[0]


async def test_damaged_body_past_its_time_goes_and_is_told_of(tmp_path):
    async with serving() as door:
        async with agency(door.url, tmp_path / "out") as line:
            await posted(line)
        async with agency(door.url, tmp_path / "in", WATCH) as line:
            await line.everything()
    spoil(tmp_path / "in", "body")
    assert purge(tmp_path / "in", NOW + 31 * DAY) == [Loss("body", "gone")]
    assert rows(tmp_path / "in", "body") == 0


async def test_moved_day_keeps_nothing_here_past_its_time(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "out") as line:
        identity = await posted(line)
    purge(tmp_path / "out", NOW)
    with closing(sqlite3.connect(tmp_path / "out" / FILE, isolation_level=None)) as file:
        file.execute("UPDATE row SET due = due + 900 WHERE due IS NOT NULL")
    purge(tmp_path / "out", NOW + 31 * DAY)
    with closing(cabinet(tmp_path / "out")) as mail:
        assert agency(NOWHERE, tmp_path / "out").world.outbox.envelope(identity).body == b""
        assert not mail.has("content-key", identity)


# -- what was to be sent ------------------------------------------------------------------


async def test_damaged_word_that_something_waits_is_made_anew_of_what_is_sealed(tmp_path):
    async with serving() as door:
        async with agency(door.url, tmp_path / "out") as line:
            ids = [await line.queue(await line.prepare(draft())) for _ in range(2)]
        spoil(tmp_path / "out", "posted.waits", 1)
        assert purge(tmp_path / "out", NOW) == [Loss("posted.waits", "mended", ids[0])]
        assert rows(tmp_path / "out", "aside.posted.waits") == 1
        async with agency(door.url, tmp_path / "out") as line:
            assert len(await line.resume()) == 2
        assert len(await accepted(door)) == 2


async def test_damaged_word_that_something_was_sent_is_made_anew(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "out") as line:
        identity = await posted(line)
    spoil(tmp_path / "out", "posted.sent")
    box = agency(NOWHERE, tmp_path / "out").world.outbox
    assert box.sent() == box.sent() == [identity]


async def test_damaged_envelope_is_named_kept_and_holds_up_no_other(tmp_path):
    async with serving() as door:
        async with agency(door.url, tmp_path / "out") as line:
            ids = [await line.queue(await line.prepare(draft())) for _ in range(2)]
        spoil(tmp_path / "out", "posted.sealed", 1)
        purge(tmp_path / "out", NOW)
        troubles = []
        async with agency(door.url, tmp_path / "out") as line:
            with pytest.raises(Fault) as caught:
                await line.resume(trouble=lambda *each: troubles.append(each))
            assert caught.value.facts["id"] == ids[0]
            assert line.world.outbox.waiting() == [ids[0]]
            assert line.world.outbox.sent() == [ids[1]]
        assert [(each, error.code) for each, error in troubles] == [(ids[0], Code.MAIL_DAMAGED)]
        assert rows(tmp_path / "out", "posted.sealed") == 2


async def test_what_cannot_be_named_is_put_aside_as_it_is(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "out") as line:
        await line.queue(await line.prepare(draft()))
    spoil(tmp_path / "out", "posted.waits")
    spoil(tmp_path / "out", "posted.sealed")
    assert purge(tmp_path / "out", NOW) == [Loss("posted.waits", "aside")]
    assert rows(tmp_path / "out", "aside.posted.waits") == 1
    assert rows(tmp_path / "out", "posted.sealed") == 1


# -- what was never sent ------------------------------------------------------------------


async def test_what_waits_past_its_time_is_destroyed_and_told_of(tmp_path):
    async with serving() as door:
        async with agency(door.url, tmp_path / "out") as line:
            prepared = await line.prepare(draft())
            identity = await line.queue(prepared, "mark")
        sealed = cabinet(tmp_path / "out")
        until = prepared.header.retain_until
        assert purge(tmp_path / "out", until - 1) == []
        assert purge(tmp_path / "out", until) == [
            Loss("posted.waits", "expired", identity, until, 0)
        ]
        async with agency(door.url, tmp_path / "out") as line:
            box = line.world.outbox
            assert box.waiting() == []
            assert box.envelope(identity).body == b""
            assert box.anew(identity) is None
            assert not line.world.kept.has(identity)
            assert box.marked("mark") is None
            assert await line.resume() == []
            with pytest.raises(Refusal) as caught:
                await line.resolve(identity)
            assert caught.value.code is Code.RETENTION_OVER
        assert await accepted(door) == []
        sealed.close()


async def test_what_had_a_receipt_after_all_is_still_asked_for_by_its_header(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "out") as line:
        prepared = await line.prepare(draft())
        identity = await posted_unknown(line, prepared)
        purge(tmp_path / "out", prepared.header.retain_until)
        assert line.world.outbox.waiting() == []
        receipt = await line.resolve(identity)
        assert receipt.index
        assert line.world.outbox.sent() == [identity]


async def posted_unknown(line, prepared):
    """Posted, and as if its receipt had never come."""
    await line.post(prepared)
    envelope = line.world.outbox.envelope(prepared.header.id)
    with line.world.cabinet.change():
        for drawer in ("posted.receipt", "posted.sent"):
            line.world.cabinet.drop(drawer, prepared.header.id)
        line.world.outbox.keep(prepared.header.id, envelope)
    return prepared.header.id


@pytest.mark.parametrize("lang", ["es", "en"])
@pytest.mark.parametrize("how", ["again", "gone", "mended", "aside"])
def test_every_loss_has_words_that_name_what_it_was(lang, how):
    drawers = ["item", "trust", "heard", "body", "granted", "content-key", "colleagues"]
    names = ("sealed", "waits", "sent", "refused", "anew", "due", "files", "mark")
    drawers += [f"posted.{each}" for each in names]
    said = {losing.line(Loss(each, how, "the-id"), lang) for each in drawers}
    assert len(said) == len(drawers)
    assert all("the-id" in each for each in said)


@pytest.mark.parametrize(("tries", "word"), [(0, "NEVER SENT"), (3, "WITHOUT A RECEIPT")])
def test_never_sent_is_said_only_of_what_never_was(tries, word):
    loss = Loss("posted.waits", "expired", "the-id", NOW, tries)
    assert word in losing.line(loss, "en")
    assert losing.told(loss)["expired"].endswith("Z")


# -- two commands at once -----------------------------------------------------------------


async def test_same_draft_of_two_commands_that_began_at_once_is_posted_once(tmp_path):
    async with serving() as door:
        async with agency(door.url, tmp_path) as one, agency(door.url, tmp_path) as two:
            assert one.begin("mark") is two.begin("mark") is None
            prepared = [await each.prepare(draft()) for each in (one, two)]
            first = await one.post(prepared[0], "mark")
            one.world.outbox.forget("mark")
            assert await two.post(prepared[1], "mark") == first
            assert two.world.outbox.led("mark") == prepared[0].header.id
            assert two.world.outbox.sent() == [prepared[0].header.id]
        assert len(await accepted(door)) == 1
        # Who begins once the other was told posts it again: that is meant.
        async with agency(door.url, tmp_path) as line:
            assert line.begin("mark") is None
            await line.post(await line.prepare(draft()), "mark")
        assert len(await accepted(door)) == 2


async def test_files_that_were_sealed_for_the_same_once_more_go(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"EXERCISE" * 1000)
    async with (
        serving() as door,
        agency(door.url, tmp_path) as one,
        agency(door.url, tmp_path) as two,
    ):
        one.begin("mark")
        two.begin("mark")
        first = await one.post(await one.prepare(draft(), attach=[path]), "mark")
        assert await two.post(await two.prepare(draft(), attach=[path]), "mark") == first
    assert list(tmp_path.glob("*.attached")) == []


async def test_same_draft_is_queued_once(tmp_path):
    async with (
        serving() as door,
        agency(door.url, tmp_path) as one,
        agency(door.url, tmp_path) as two,
    ):
        one.begin("mark")
        two.begin("mark")
        first = await one.queue(await one.prepare(draft()), "mark")
        assert await two.queue(await two.prepare(draft()), "mark") == first
        assert two.world.outbox.waiting() == [first]


async def test_same_acknowledgement_of_two_commands_at_once_is_recorded_once(tmp_path):
    async with serving() as door:
        await post(door.node, world().envelope(to=[WATCH]))
        async with agency(door.url, tmp_path, WATCH) as line:
            (item,) = await line.everything()
            receipt = await line.acknowledge(item, "schema-invalid")
            acks = line.world.outbox.acks
            (identity,) = acks.sent()
            # As a second one goes on, that looked before the first one kept anything.
            mark = attesting.ack_mark(item, "schema-invalid", None)
            other = acks.envelope(identity)
            assert await line._poster.send(acks, UNKNOWN, other, mark) == receipt
            assert acks.sent() == [identity]
            assert acks.waiting() == []


async def test_mark_that_was_settled_meanwhile_is_not_found_again(tmp_path):
    """Telling is one change: it waits for the other command's, and goes by what is then."""
    async with serving() as door, agency(door.url, tmp_path) as line:
        await line.queue(await line.prepare(draft()), "mark")
        with closing(cabinet(tmp_path)) as other:
            box = type(line.world.outbox)(other)
            seen = []
            other.seal  # noqa: B018  (opened)
            line.world.cabinet._connection.execute("PRAGMA busy_timeout = 1")
            marked = box.marked
            box.marked = lambda mark: (seen.append(locked(line)), marked(mark))[1]
            box.tell("mark")
        assert seen == [Code.MAIL_FAILED]


def locked(line):
    """Whether another command may write now."""
    try:
        line.world.cabinet.put("drawer", "name", b"")
    except Fault as fault:
        return fault.code
    return None
