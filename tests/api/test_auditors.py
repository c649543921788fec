"""An auditor is shown the whole journal, and of what it tells of no content: by no route."""

from __future__ import annotations

import msgspec
import pytest

from exchange.api import roles, shown
from exchange.api.app import IN_SESSION
from exchange.model.identity import digest
from tests.api.attached import BLOB, DATA, send
from tests.api.listening import listening
from tests.api.serving import serving
from tests.builders import AUDIT, MINSA, WATCH, WATCH_DESK, world
from tests.drafted import drafted
from tests.node.running import post

# Every endpoint is given these, and of what it is owed itself alone; or they note.
ALIKE = {
    ("POST", "/v1/objects"),
    ("POST", "/v1/batch"),
    ("GET", "/v1/inbox"),
    ("GET", "/v1/events"),
    ("GET", "/v1/trust"),
    ("GET", "/v1/receipts/{id}"),
    ("GET", "/v1/posted/{id}"),
    ("GET", "/v1/posted/{id}/bearing"),
    ("GET", "/v1/checkpoint"),
    ("GET", "/v1/heads"),
    ("GET", "/v1/heads/{node}"),
}


def test_every_route_that_opens_the_journal_to_an_auditor_notes_it():
    opened = {route for route, named in roles.ROLES.items() if "auditor" in named}
    assert opened == ALIKE | shown.NOTED.keys()


async def filled(door):
    """A bulletin with an attachment, granted to one more; and the requests about them."""
    await send(door)
    sent = world().closed(to=[WATCH], attachments=[BLOB])
    said = await door.post(sent.envelope.framed())
    index = said.json["index"]
    grant = world().grant(sent, WATCH_DESK)
    granted = (await post(door.node, grant)).receipt.index
    await door.node.checkpoints.checkpoint()
    body = digest(sent.envelope.body)
    paths = [
        *(f"/v1/blobs/{each}?index={index}" for each in (body, BLOB.digest)),
        f"/v1/blobs/{digest(grant.body)}?index={granted}",
        f"/v1/uploads/{BLOB.digest}?size={BLOB.size}&offset=0",
        f"/v1/granted?index={granted}",
        f"/v1/receipts/{sent.header.id}",
        f"/v1/posted/{sent.header.id}",
        f"/v1/posted/{sent.header.id}/bearing",
        *(f"/v1/proof?index={each}" for each in (index, granted)),
        *(f"/v1/{each}" for each in ("inbox", "trust", "heads", "heads/us", "checkpoint")),
        "/v1/journal?limit=256",
        "/v1/tile/0/000.p/9",
        "/v1/invitations",
        "/v1/invitations/receipts",
        "/v1/objects",
        "/v1/batch",
    ]
    return sent.envelope, grant, paths


def secrets(envelope, grant):
    """What opens content, or is it: ciphertext, its wrapped keys, an attachment."""
    body, wrap = (msgspec.json.decode(each.body) for each in (envelope, grant))
    found = [body["ciphertext"], *(each["encrypted_key"] for each in body["recipients"])]
    return [each.encode()[:64] for each in (*found, wrap["encrypted_key"])] + [DATA[:64]]


async def test_no_route_gives_an_auditor_content_and_each_that_would_says_why_not():
    async with serving() as door:
        envelope, grant, paths = await filled(door)
        hidden, refused, asked = secrets(envelope, grant), set(), set()
        for method, route, _ in IN_SESSION:
            plain = route.replace(":.+", "")
            asked.add((method, plain))
            begins = plain.partition("{")[0]
            for path in (each for each in paths if each.partition("?")[0].startswith(begins)):
                data = b"x\n\n" if method in ("POST", "PATCH") else None
                said = await door.ask(method, path, AUDIT, data=data)
                assert not any(each in said.body for each in hidden), (method, path)
                if said.status == 403:
                    assert said.code == "missing-role"
                    refused.add((method, plain))
        assert asked == roles.ROLES.keys()
        assert refused == {each for each, may in roles.ROLES.items() if "auditor" not in may}
        async with listening(door, AUDIT) as stream:
            assert (await stream.next()).name == "beat"


async def test_nobody_seals_to_an_auditor():
    w = world()
    async with serving() as door:
        sent, wanted = w.closed(to=[WATCH]), w.envelope(to=[WATCH])
        await post(door.node, sent.envelope)
        for what, code in (
            (w.envelope(to=[AUDIT]), "may-not-read"),
            (w.grant(sent, AUDIT), "may-not-read"),
            (drafted(w, wanted, to=["pa.contraloria/audit"]), "origin-mismatch"),
        ):
            said = await door.post(what.framed())
            assert said.code == code, said


@pytest.mark.parametrize("role", ["reader", "releaser", "poster"])
async def test_custodians_make_nobody_an_auditor_that_may_be_given_content(role):
    def both(endpoint):
        return msgspec.structs.replace(endpoint, roles=["auditor", role])

    async with serving() as door:
        answer = await post(door.node, world().amended(AUDIT, both), MINSA)
        assert (answer.refusal.code, answer.refusal.at) == (
            "trust-invalid",
            "/files/0/endpoints/0/roles",
        )
        assert answer.refusal.facts["name"] == AUDIT
        fine = world().amended(
            AUDIT, lambda each: msgspec.structs.replace(each, roles=["auditor", "operator"])
        )
        assert (await post(door.node, fine, MINSA)).refusal is None
