"""At the door: no route without a token but those that are meant to be open."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp
import pytest
import structlog

from exchange.api.app import IN_SESSION, OPEN
from exchange.client.tls import pinned
from exchange.model.identity import digest
from exchange.node.sessions import NONCE_LIFETIME_S, TOKEN_LIFETIME_S
from exchange.store.memory import MemoryStore
from tests.api.serving import certificate, serving, session_request, tls12
from tests.builders import COAST, MINSA, NOW, OPS, WATCH, decoded, suspended, world
from tests.node.running import Clock, Gate, post, until

PATHS = {
    "/v1/blobs/{digest}": f"/v1/blobs/{'A' * 43}?index=0",
    "/v1/uploads/{digest}": f"/v1/uploads/{'A' * 43}?size=1&offset=0",
    "/v1/receipts/{id}": "/v1/receipts/01890000-0000-7000-8000-000000000000",
    "/v1/posted/{id}": "/v1/posted/01890000-0000-7000-8000-000000000000",
    "/v1/posted/{id}/bearing": "/v1/posted/01890000-0000-7000-8000-000000000000/bearing",
    "/v1/tile/{path:.+}": "/v1/tile/0/000.p/1",
    "/v1/heads/{node}": "/v1/heads/us",
}


async def test_every_route_but_the_open_ones_needs_a_token():
    async with serving() as door:
        size = door.node.writer.size
        for method, path, _ in IN_SESSION:
            where = PATHS.get(path, path)
            assert "{" not in where, f"tell the test a real path of {path}"
            for headers, code in (
                ({}, "no-token"),
                ({"Authorization": "Bearer x.y"}, "bad-token"),
            ):
                said = await door.ask(method, where, None, headers=headers, data=b"x\n\n")
                assert (said.status, said.code) == (401, code), (method, path)
        assert door.node.writer.size == size
        said = await door.get("/metrics", None)
        assert 'code="no-token",route="/v1/tile/{path}"} 1' in said.body.decode()


async def test_open_routes_are_exactly_these():
    assert {path for _, path, _ in OPEN} == {
        "/livez",
        "/readyz",
        "/metrics",
        "/v1/openapi.json",
        "/v1/nonce",
        "/v1/session",
        "/v1/enrolments",
    }


@pytest.mark.parametrize(
    "path", ["/", "/v2/inbox", "/v1/inbox/", "/v1//inbox", "/v1/session/x"]
)
async def test_what_is_no_route_is_told_to_members_only(path):
    async with serving() as door:
        assert (await door.get(path, None)).code == "no-token"
        assert (await door.get(path)).code == "not-found"


async def test_wrong_method_is_refused_before_anything_else():
    async with serving() as door:
        assert (await door.ask("DELETE", "/v1/inbox", None)).code == "no-token"
        assert (await door.ask("DELETE", "/v1/inbox")).code == "bad-request"
        assert (await door.ask("PUT", "/v1/session", None)).code == "no-token"


async def test_session_is_opened_over_the_wire():
    clock = Clock()
    async with serving(clock=clock) as door:
        nonce = (await door.get("/v1/nonce", None)).json["nonce"]
        raw = session_request(nonce, NOW)
        said = await door.post(raw, None, "/v1/session")
        assert (said.status, said.json["expires"]) == (201, NOW + TOKEN_LIFETIME_S)
        token = {"Authorization": f"Bearer {said.json['token']}"}
        assert (await door.get("/v1/inbox", None, headers=token)).status == 200
        clock.ms += NONCE_LIFETIME_S * 1000
        said = await door.post(raw, None, "/v1/session")
        assert (said.status, said.code) == (401, "bad-session")
        clock.ms += TOKEN_LIFETIME_S * 1000
        assert (await door.get("/v1/inbox", None, headers=token)).code == "bad-token"


@pytest.mark.parametrize("data", [b"", b"x", b"{}", b"\xff", b"[" * 9000, b"x" * 40_000])
async def test_bad_session_request_is_refused_and_counted_never_journaled(data):
    async with serving() as door:
        size = door.node.writer.size
        said = await door.post(data, None, "/v1/session")
        assert 400 <= said.status < 500
        counted = f'exchange_refused_total{{code="{said.code}",route="/v1/session"}} 1'
        assert counted in (await door.get("/metrics", None)).body.decode()
        assert door.node.writer.size == size


async def test_stranger_is_told_one_thing_and_the_diary_which():
    with structlog.testing.capture_logs() as logs:
        async with serving() as door:
            answers = set()
            for by, endpoint in ((OPS, "pa.senan/none"), (WATCH, OPS), (OPS, COAST)):
                nonce = (await door.get("/v1/nonce", None)).json["nonce"]
                raw = session_request(
                    nonce, NOW, by, endpoint=endpoint, origin=endpoint.partition("/")[0]
                )
                answers.add(await door.post(raw, None, "/v1/session"))
            (said,) = answers
            assert (said.status, said.code) == (401, "bad-session")
    told = [each["because"] for each in logs if each["event"] == "refused"]
    assert told == ["unknown-endpoint", "unknown-key", "unknown-key"]


async def test_journal_s_size_is_told_on_this_machine_only():
    async with serving() as door:
        size = door.node.writer.size
        said = (await door.get("/metrics", None)).body.decode()
        assert f"exchange_journal_entries {size}\n" in said
        connector = aiohttp.TCPConnector(ssl=pinned(certificate()), local_addr=("127.0.0.2", 0))
        async with aiohttp.ClientSession(connector=connector) as http:
            for path in ("/metrics", "/livez", "/readyz"):
                async with http.get(door.url + path) as answer:
                    text = await answer.text()
                assert str(size) not in text.replace(str(door.port), ""), path


async def test_suspension_bites_at_the_next_request_of_a_session():
    async with serving() as door:
        assert (await door.get("/v1/inbox", COAST)).status == 200
        await post(door.node, world().amended(COAST, suspended), MINSA)
        for path in ("/v1/inbox", "/v1/trust", "/v1/checkpoint"):
            said = await door.get(path, COAST)
            assert (said.status, said.code) == (403, "endpoint-suspended")
        assert (await door.post(b"x\n\n", COAST)).code == "endpoint-suspended"


async def test_poll_that_waits_gives_a_suspended_endpoint_nothing():
    gate = Gate(MemoryStore())
    async with serving(gate) as door:
        poll = asyncio.ensure_future(door.get("/v1/inbox?wait=30", COAST))
        await until(lambda: COAST in door.node.inboxes._bells)
        gate.shut()
        first = post(door.node, world().envelope(to=[WATCH]))
        await until(lambda: gate.batches == [1])
        # In one group: the poll is woken by what it was owed before it was suspended.
        both = [
            post(door.node, world().envelope(to=[COAST])),
            post(door.node, world().amended(COAST, suspended), MINSA),
        ]
        await until(lambda: len(done_in(door.node.writer.arrivals._under_way)) == 2)
        gate.open.set()
        assert [each.refusal for each in await asyncio.gather(first, *both)] == [None] * 3
        assert gate.batches == [1, 2]
        assert (await asyncio.wait_for(poll, 5)).code == "endpoint-suspended"


def done_in(considering):
    return [each for micro in considering if micro.is_done for each in micro.pending]


async def test_nobody_reads_what_is_another_endpoints():
    async with serving() as door:
        await door.node.checkpoints.checkpoint()
        envelope = world().envelope(to=[WATCH])
        index = (await post(door.node, envelope)).receipt.index
        await door.node.checkpoints.checkpoint()
        name = f"/v1/blobs/{digest(envelope.body)}?index={index}"
        receipt = f"/v1/receipts/{decoded(envelope.header).id}"
        other = world().envelope(to=[COAST])
        await post(door.node, other)
        foreign = f"/v1/blobs/{digest(other.body)}?index={index}"
        assert (await door.get(foreign, WATCH)).code == "not-found"
        proof = f"/v1/proof?index={index}"
        allowed = {
            OPS: [(name, 404), (receipt, 200), (proof, 200)],
            WATCH: [(name, 200), (receipt, 404), (proof, 200)],
            COAST: [(name, 404), (receipt, 404), (proof, 404)],
        }
        for endpoint, tries in allowed.items():
            for path, status in tries:
                assert (await door.get(path, endpoint)).status == status, (endpoint, path)
        said = await door.get(f"/v1/inbox?endpoint={WATCH}", COAST)
        assert (said.status, said.code) == (403, "not-yours")
        assert (await door.get("/v1/inbox", COAST)).json["total"] == 1
        assert (await door.get("/v1/journal", COAST)).code == "missing-role"


async def test_nothing_below_tls_1_3_is_spoken():
    async with serving() as door:
        connector = aiohttp.TCPConnector(ssl=tls12())
        async with aiohttp.ClientSession(connector=connector) as http:
            with pytest.raises((aiohttp.ClientConnectorError, ssl.SSLError)):
                await http.get(f"{door.url}/livez")
