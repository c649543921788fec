"""One item that cannot be opened: shown with its reason, attested as such, blocking nothing."""

from __future__ import annotations

import json

import msgspec
import pytest

from exchange import render
from exchange.client.attesting import attestable
from exchange.client.reading import Acked, Delivered, Locked
from exchange.errors import Code, Fault, Refusal
from exchange.model import bulletin as bulletins
from exchange.seal.open import SoftwareOpener
from exchange.seal.software import SecretKey
from tests.api.serving import serving
from tests.builders import COAST, MINSA, WATCH, refers, world
from tests.client.dealing import agency, draft, forget_bodies, lied_to
from tests.node.running import post
from tests.vectors import forging, opening


def reader(url, tmp_path, endpoint=WATCH):
    return agency(url, tmp_path / endpoint.replace("/", "-"), endpoint)


async def good(url, tmp_path):
    async with agency(url, tmp_path / "sender") as sender:
        await sender.post(await sender.prepare(draft()))


def text(**changes):
    """The committed example as a bulletin's text, with members changed."""
    from exchange.model import draft as drafts  # noqa: PLC0415
    from tests.model.bulletins import CODES  # noqa: PLC0415

    header = world().header()
    made = drafts.complete(draft(), id=header.id, origin="pa.senan", codes=CODES)
    header = msgspec.structs.replace(header, **bulletins.repeated(made))
    told = {**json.loads(bulletins.encode(made)), **changes}
    return header, json.dumps(told, separators=(",", ":")).encode()


def newer_text(version="2.0", said=None, **changes):
    header, told = text(schema=version, **changes)
    header = msgspec.structs.replace(header, schema=said or version, to=[WATCH])
    return world().envelope(header, told)


def told_to_many():
    """What a node does not look at its readers do: here, originator control."""
    declares = ["persons", "protected-person"]
    header, told = text(declares=declares)
    marking = msgspec.structs.replace(
        header.marking, tlp="amber+strict", originator_control=False
    )
    header = msgspec.structs.replace(header, marking=marking, declares=declares, to=[WATCH])
    return world().envelope(header, told)


def sent_home():
    """Who fled from here, in a member that only a newer version has."""
    fled = {
        "ref": "p1",
        "person_role": "witness",
        "review_by": "2027-02-20T00:00:00Z",
        "surname": "EXERCISE",
        "nationality": "PAN",
        "protections": ["asylum-seeker"],
    }
    declares = ["persons", "protected-person"]
    header, told = text(schema="1.1", declares=declares, witnesses=[fled])
    marking = msgspec.structs.replace(
        header.marking, tlp="red", originator_control=True, handling=["h2"]
    )
    header = msgspec.structs.replace(
        header, schema="1.1", marking=marking, declares=declares, to=[WATCH]
    )
    return world().envelope(header, told)


def text_with(**changes):
    header, told = text(**changes)
    return world().envelope(msgspec.structs.replace(header, to=[WATCH]), told)


def sealed_wrongly(change):
    return forging.rebody(world(), world().envelope(to=[WATCH]), change)


def corrupted(name):
    def change(told):
        holder = told if name in told else told["recipients"][0]
        holder[name] = ("A" if holder[name][0] != "A" else "B") + holder[name][1:]

    return change


LOCKED = {
    "no bulletin": (
        lambda: world().envelope(to=[WATCH], text=b"not a bulletin"),
        (Code.MALFORMED, "schema-invalid"),
    ),
    "an unknown member": (
        lambda: text_with(unexpected=1),
        (Code.UNKNOWN_MEMBER, "schema-invalid"),
    ),
    "other than its header": (
        lambda: text_with(regime="salas-becker"),
        (Code.HEADER_BODY_MISMATCH, "schema-invalid"),
    ),
    "a newer version than its header says": (
        lambda: newer_text("1.1", "1.2"),
        (Code.HEADER_BODY_MISMATCH, "schema-invalid"),
    ),
    "an older version than its header says": (
        lambda: newer_text("1.0", "1.1"),
        (Code.HEADER_BODY_MISMATCH, "schema-invalid"),
    ),
    "a newer version with no type": (
        lambda: newer_text("1.1", type=[]),
        (Code.WRONG_VALUE, "schema-invalid"),
    ),
    "a newer version that its header hides": (
        lambda: newer_text("1.1", "1.0", type=[]),
        (Code.HEADER_BODY_MISMATCH, "schema-invalid"),
    ),
    "protected persons, told to many": (
        told_to_many,
        (Code.PROTECTED_PERSONS, "schema-invalid"),
    ),
    "who fled, told where from": (sent_home, (Code.ASYLUM_TO_ORIGIN, "schema-invalid")),
    "a newer major version": (newer_text, (Code.SCHEMA_NOT_KNOWN, "unreadable")),
    "another context": (
        lambda: opening.other_context(world()),
        (Code.CONTEXT_MISMATCH, "unreadable"),
    ),
    "another commit": (
        lambda: opening._other_commit(world()),
        (Code.COMMIT_MISMATCH, "unreadable"),
    ),
    "a tampered wrap": (
        lambda: sealed_wrongly(corrupted("encrypted_key")),
        (Code.CANNOT_DECRYPT, "unreadable"),
    ),
    "a tampered text": (
        lambda: sealed_wrongly(corrupted("ciphertext")),
        (Code.CANNOT_DECRYPT, "unreadable"),
    ),
}


@pytest.mark.parametrize("what", LOCKED)
async def test_it_is_shown_with_its_reason_attested_and_blocks_nothing(tmp_path, what):
    make, (code, outcome) = LOCKED[what]
    async with serving() as door, reader(door.url, tmp_path) as line:
        await post(door.node, world().rearranged(schemas=["1.0", "1.1", "1.2", "2.0"]), MINSA)
        answer = await post(door.node, make())
        assert answer.refusal is None
        await good(door.url, tmp_path)
        locked, after = await line.everything()
        assert isinstance(locked, Delivered)
        assert (locked.bulletin, locked.locked.code) == (None, code)
        assert after.bulletin is not None
        for lang in ("es", "en"):
            told = render.refusal(locked.locked, lang, line.world.codes)
            assert told.what
            assert told.next
        for untrue in ("opened", "actioned", "partial", "schema-invalid", "unreadable"):
            if untrue != outcome:
                with pytest.raises(Refusal) as caught:
                    await line.acknowledge(locked, untrue)
                assert (caught.value.code, caught.value.at) == (Code.WRONG_VALUE, "/outcome")
        assert attestable(locked)[0] == outcome
        await line.acknowledge(locked, outcome)
        async with agency(door.url, tmp_path / "sender") as sender:
            (acked,) = await sender.everything()
        assert isinstance(acked, Acked)
        assert acked.ack.outcome == outcome


async def test_a_newer_minor_version_is_read_in_part_and_acknowledged_as_that(tmp_path):
    async with serving() as door, reader(door.url, tmp_path) as line:
        await post(door.node, world().rearranged(schemas=["1.0", "1.1"]), MINSA)
        await post(door.node, newer_text("1.1", weather={"sea": 4}))
        await post(door.node, newer_text("1.1"))
        partly, wholly = await line.everything()
        assert partly.locked is None, partly.locked
        assert partly.bulletin.type == "voi"
        assert [(each.at, each.value) for each in partly.not_understood] == [
            ("/weather", {"sea": 4})
        ]
        assert attestable(partly)[0] == "partial"
        for untrue in ("opened", "schema-invalid", "unreadable"):
            with pytest.raises(Refusal):
                await line.acknowledge(partly, untrue)
        await line.acknowledge(partly, "partial")
        assert (wholly.locked, wholly.not_understood, attestable(wholly)[0]) == (
            None,
            [],
            "opened",
        )


async def test_sealed_to_a_key_that_is_no_longer_ours(tmp_path):
    async with serving() as door, reader(door.url, tmp_path) as line:
        await good(door.url, tmp_path)
        other = SoftwareOpener(SecretKey("HPKE-9-KE", bytes(32)))
        line.keys = msgspec.structs.replace(line.keys, openers=[other])
        (item,) = await line.everything()
        assert (item.locked.code, item.locked.at) == (Code.NOT_A_RECIPIENT, "/body/recipients")
        assert attestable(item)[0] == "unreadable"


async def test_bytes_that_are_gone_are_unreadable_and_a_fault_is_not_attested(tmp_path):
    async with serving() as door, reader(door.url, tmp_path) as line:
        await good(door.url, tmp_path)
        (item,) = await line.everything()
        del door.node.store._tables.blobs[item.header.body.digest]
        forget_bodies(line)
        (item,) = await line.everything()
        assert item.locked.code is Code.NOT_FOUND
        assert attestable(item)[0] == "unreadable"
        broken = msgspec.structs.replace(item, locked=Fault(Code.STORE_FAILED))
        for outcome in ("unreadable", "opened", "delivered"):
            with pytest.raises(Fault):
                await line.acknowledge(broken, outcome)


@pytest.mark.parametrize("status", [403, 451, 503])
async def test_refusal_in_a_newer_nodes_words_locks_one_item(tmp_path, status):
    from aiohttp import web  # noqa: PLC0415

    from tests.client.dealing import fronted  # noqa: PLC0415

    async with lied_to() as (door, liar, _):
        await good(door.url, tmp_path)
        said = {"what": "w", "where": "w", "why": "w", "next": "n"}
        problem = {"type": "t", "title": "t", "status": status, "code": "of-next-year",
                   "at": "", "facts": {}, "en": said, "es": said}  # fmt: skip

        async def handle(request):
            if request.path.startswith("/v1/blobs"):
                media = "application/problem+json"
                return web.json_response(problem, status=status, content_type=media)
            return await liar.handle(request)

        async with fronted(handle) as url, reader(url, tmp_path) as line:
            if status == 503:
                # It is away, for all items: nothing can be said of this one.
                with pytest.raises(Fault):
                    await line.everything()
                return
            (item,) = await line.everything()
            assert item.locked.code is Code.NOT_UNDERSTOOD


def entries_changed(change):
    def changed(path, value):
        if path == "/v1/inbox" and value["items"]:
            value["items"][0]["entry"] = change(value["items"][0]["entry"])
        return value

    return changed


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda e: e.replace('"accepted"', '"of-next-year"', 1), Code.NOT_UNDERSTOOD),
        (lambda e: e.replace('"late"', '"later"', 1), Code.UNKNOWN_MEMBER),
        (
            lambda e: e.partition("\n")[0] + "\n" + world().envelope().header.decode(),
            Code.DIGEST_MISMATCH,
        ),
    ],
    ids=["a kind of a newer node", "a fact of a newer node", "another header"],
)
async def test_entry_that_is_not_understood_is_shown_and_blocks_nothing(tmp_path, change, code):
    async with lied_to() as (door, liar, url), reader(url, tmp_path) as line:
        await good(door.url, tmp_path)
        await good(door.url, tmp_path)
        liar.change = entries_changed(change)
        first, second = await line.everything()
        assert isinstance(first, Locked)
        assert first.locked.code is code
        assert second.bulletin is not None
        # Nor does following stop there.
        items = line.follow()
        assert [type(await anext(items)) for _ in range(2)] == [Locked, Delivered]
        await items.aclose()


async def test_header_under_a_bad_signature_is_locked(tmp_path):
    async with lied_to() as (door, liar, url), reader(url, tmp_path) as line:
        await good(door.url, tmp_path)

        def resigned(entry):
            facts, _, signed = entry.partition("\n")
            told = json.loads(signed)
            flipped = told["signatures"][0]["signature"]
            told["signatures"][0]["signature"] = ("A" if flipped[0] != "A" else "B") + flipped[
                1:
            ]
            raw = forging.compact(told)
            from exchange.model import entry as entries  # noqa: PLC0415
            from exchange.model.identity import digest  # noqa: PLC0415

            read = entries.decode((facts + "\n").encode()).facts
            return entries.encode(
                msgspec.structs.replace(read, digest=digest(raw)), raw
            ).decode()

        liar.change = entries_changed(resigned)
        (item,) = await line.everything()
        assert isinstance(item, Locked)
        assert item.locked.code is Code.BAD_SIGNATURE


async def test_what_was_purged_can_be_attested_of_anything_owed(tmp_path):
    async with serving() as door, reader(door.url, tmp_path) as line:
        await good(door.url, tmp_path)
        (item,) = await line.everything()
        for untrue in ("schema-invalid", "unreadable"):
            with pytest.raises(Refusal):
                await line.acknowledge(item, untrue)
        await line.acknowledge(item, "purged")
        async with agency(door.url, tmp_path / "sender") as sender:
            (acked,) = await sender.everything()
        assert acked.ack.outcome == "purged"
        stranger = world().ack(world().envelope(), COAST, outcome="purged")
        assert (await post(door.node, stranger)).refusal.code is Code.NOT_OWED


async def test_cancellation_sealed_to_others_is_seen_by_its_header_alone(
    tmp_path,
):
    async with serving() as door, reader(door.url, tmp_path) as line:
        target = world().envelope(to=[WATCH])
        await post(door.node, target)
        for kind, verb, rel in (("can", "cancel", "cancels"), ("cor", "correct", "corrects")):
            changes = {"type": kind, "verb": verb, "refs": refers(rel, target), "to": [COAST]}
            await post(door.node, world().envelope(**changes))
        _, cancel, correction = await line.everything()
        assert cancel.locked.code is correction.locked.code is Code.NOT_A_RECIPIENT
        assert attestable(cancel)[0] == "opened"
        await line.acknowledge(cancel, "actioned")
        assert attestable(correction)[0] == "unreadable"
