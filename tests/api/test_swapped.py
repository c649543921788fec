"""Ids swapped between path, body and header: each is held to the others, none is believed."""

from __future__ import annotations

import msgspec
import pytest

from exchange.model import objects
from exchange.model.identity import digest
from tests.api.attached import BLOB, DATA, where
from tests.api.serving import Door, serving
from tests.builders import (
    COAST,
    DESK,
    OPS,
    WATCH,
    WATCH_DESK,
    Closed,
    Envelope,
    decoded,
    subject,
    world,
)
from tests.node.running import journal


class Two:
    """Two bulletins of one author, to two endpoints; the first of them is posted, or both."""

    def __init__(self) -> None:
        self.one: Closed = world().closed(to=[WATCH])
        self.other: Closed = world().closed(to=[COAST])

    async def posted(self, door: Door) -> tuple[int, int]:
        said = [await door.post(each.envelope.framed()) for each in (self.one, self.other)]
        return said[0].json["index"], said[1].json["index"]


def of(envelope: Envelope, **changes) -> objects.Subject:
    return msgspec.structs.replace(subject(envelope), **changes)


def other_body(two):
    return Envelope(two.one.envelope.header, two.other.envelope.body).framed(), OPS


def others_header(two):
    return Envelope(two.other.envelope.header, two.one.envelope.body).framed(), OPS


def others_session(two):
    return two.one.envelope.framed(), COAST


def others_origin(_):
    return world().envelope(endpoint=OPS, origin="us.uscg").framed(), OPS


def colleagues_endpoint(_):
    envelope = world().envelope(endpoint=DESK, signer=world().signers[OPS])
    return envelope.framed(), OPS


def colleagues_keys(_):
    return world().envelope(signer=world().signers[DESK]).framed(), OPS


def others_wrap(_):
    return world().envelope(to=[WATCH], recipients=[world().key(COAST)]).framed(), OPS


def id_of_another(two):
    return world().envelope(id=decoded(two.one.envelope.header).id).framed(), OPS


def ack_of_others_id(two):
    changed = of(two.one.envelope, id=decoded(two.other.envelope.header).id)
    return world().ack(two.one.envelope, of=changed) + b"\n\n", WATCH


def ack_of_others_author(two):
    changed = of(two.one.envelope, endpoint=DESK)
    return world().ack(two.one.envelope, of=changed) + b"\n\n", WATCH


def ack_of_others_digest(two):
    changed = of(two.one.envelope, header_digest=digest(two.other.envelope.header))
    return world().ack(two.one.envelope, of=changed) + b"\n\n", WATCH


def ack_by_another(two):
    return world().ack(two.one.envelope, COAST) + b"\n\n", WATCH


def grant_of_others_id(two):
    changed = of(two.one.envelope, id=decoded(two.other.envelope.header).id)
    return world().grant(two.one, WATCH_DESK, OPS, of=changed).framed(), OPS


def grant_of_others_digest(two):
    changed = of(two.one.envelope, header_digest=digest(two.other.envelope.header))
    return world().grant(two.one, WATCH_DESK, OPS, of=changed).framed(), OPS


def grant_to_another_than_wrapped(two):
    return world().grant(two.one, WATCH_DESK, OPS, to=COAST).framed(), OPS


def grant_by_another(two):
    return world().grant(two.one, WATCH_DESK, OPS).framed(), WATCH


def grant_of_anothers_bulletin(two):
    return world().grant(two.one, WATCH_DESK, COAST).framed(), COAST


@pytest.mark.parametrize(
    ("swap", "code", "at"),
    [
        (other_body, "digest-mismatch", "/body/digest"),
        (others_header, "digest-mismatch", "/body/digest"),
        (others_session, "not-yours", "/endpoint"),
        (others_origin, "origin-mismatch", "/origin"),
        (colleagues_endpoint, "not-yours", "/endpoint"),
        (colleagues_keys, "unknown-key", "/signatures/0"),
        (others_wrap, "wraps-mismatch", "/to/0"),
        (id_of_another, "id-reused", "/id"),
        (ack_of_others_id, "target-mismatch", "/of"),
        (ack_of_others_author, "target-mismatch", "/of"),
        (ack_of_others_digest, "not-owed", "/of"),
        (ack_by_another, "not-yours", "/endpoint"),
        (grant_of_others_id, "target-mismatch", "/of"),
        (grant_of_others_digest, "target-mismatch", "/of"),
        (grant_to_another_than_wrapped, "wraps-mismatch", "/body/header/kid"),
        (grant_by_another, "not-yours", "/endpoint"),
        (grant_of_anothers_bulletin, "not-a-recipient", "/endpoint"),
    ],
)
async def test_swapped_in_body_or_header_is_refused_and_journaled(swap, code, at):
    async with serving() as door:
        two = Two()
        await two.posted(door)
        framed, by = swap(two)
        said = await door.post(framed, by)
        assert (said.code, said.json["at"]) == (code, at)
        newest = (await journal(door.node))[-1].facts
        assert (newest.caller, newest.code, newest.at) == (by, code, at)


async def test_swapped_in_the_path_is_nobodys():
    async with serving() as door:
        two = Two()
        one, other = await two.posted(door)
        names = [digest(each.envelope.body) for each in (two.one, two.other)]
        ids = [decoded(each.envelope.header).id for each in (two.one, two.other)]
        for path, by in (
            # Another's entry, by its own blob or by mine.
            (f"/v1/blobs/{names[1]}?index={other}", WATCH),
            (f"/v1/blobs/{names[0]}?index={other}", WATCH),
            (f"/v1/blobs/{names[1]}?index={one}", WATCH),
            (f"/v1/blobs/{names[0]}?index={one}", OPS),
            (f"/v1/granted?index={one}", WATCH),
            (f"/v1/receipts/{ids[0]}", WATCH),
            (f"/v1/receipts/{ids[0]}", DESK),
            (f"/v1/posted/{ids[0]}", WATCH),
            (f"/v1/posted/{ids[0]}", DESK),
            (f"/v1/posted/{ids[0]}/bearing", WATCH),
            (f"/v1/posted/{ids[0]}/bearing", DESK),
        ):
            assert (await door.get(path, by)).code == "not-found", (path, by)
        assert (await door.get(f"/v1/inbox?endpoint={COAST}", WATCH)).code == "not-yours"


async def test_upload_is_its_callers_under_its_own_name_only():
    async with serving() as door:
        other = msgspec.structs.replace(BLOB, digest=digest(b"another"))
        said = await door.ask("PATCH", where(other, 0), OPS, data=DATA)
        assert said.code == "digest-mismatch"
        await door.ask("PATCH", where(offset=0), OPS, data=DATA[:10])
        # One who may post as well, and begins from nothing.
        assert (await door.get(where(), WATCH)).json["offset"] == 0
        said = await door.ask("PATCH", where(offset=10), WATCH, data=DATA[10:])
        assert said.code == "offset-mismatch"
