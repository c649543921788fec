"""The line to the node: one pinned certificate, TLS 1.3, and errors that say what is known."""

from __future__ import annotations

import ssl

import pytest
from aiohttp import web

from exchange.cli import state
from exchange.client.transport import Transport
from exchange.errors import Code, Fault, Refusal
from exchange.node.sessions import TOKEN_LIFETIME_S
from tests.api.serving import certificate, serving
from tests.builders import MINSA, OPS, TLS_MADE, TLS_SEED, suspended, world
from tests.client.dealing import fronted, profile
from tests.node.running import Clock, post


def transport(url, clock=None, **changes):
    clock = clock or Clock()
    return Transport(profile(url, **changes), world().signers[OPS], lambda: clock() // 1000)


async def fault_of(awaitable, kind=Fault):
    with pytest.raises(kind) as caught:
        await awaitable
    return caught.value.code


async def test_session_is_opened_by_itself_and_again_when_it_ends():
    clock = Clock()
    async with serving(clock=clock) as door, transport(door.url, clock) as line:
        await line.get("/v1/inbox")
        token = line._token
        await line.get("/v1/inbox")
        assert line._token == token
        clock.ms += TOKEN_LIFETIME_S * 1000
        await line.get("/v1/inbox")
        assert line._token != token


async def test_another_certificate_is_not_spoken_to():
    async with serving() as door:
        other, _ = state.make_certificate(
            "127.0.0.1", b"another exercise key, 32 bytes..", TLS_MADE
        )
        async with transport(door.url, certificate=other) as line:
            assert await fault_of(line.get("/v1/inbox")) is Code.NODE_UNREACHABLE
            assert await fault_of(line.post("/v1/objects", b"x")) is Code.NODE_UNREACHABLE


async def test_server_that_speaks_no_tls_1_3_is_not_spoken_to():
    old = state.server_context(certificate(), TLS_SEED)
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    asked = []

    async def handle(request):
        asked.append(request.path)
        return web.Response()

    async with fronted(handle, old) as url, transport(url) as line:
        assert await fault_of(line.get("/v1/inbox")) is Code.NODE_UNREACHABLE
    assert asked == []


async def test_node_of_another_name_is_given_no_signature():
    async with serving() as door, transport(door.url, node="us") as line:
        assert await fault_of(line.get("/v1/inbox"), Refusal) is Code.BAD_SESSION
        metrics = (await door.get("/metrics", None)).body
        assert b"/v1/session" not in metrics


async def test_nobody_there_is_unreachable_and_nothing_was_sent():
    async with transport("https://127.0.0.1:1") as line:
        assert await fault_of(line.post("/v1/objects", b"x")) is Code.NODE_UNREACHABLE


async def test_lost_answer_to_a_write_is_unknown_and_to_a_read_unreachable():
    async with serving() as door:

        async def handle(request):
            if request.path in {"/v1/objects", "/v1/inbox"}:
                request.transport.abort()
            async with door.http.request(
                request.method, door.url + request.path, data=await request.read()
            ) as answer:
                return web.Response(body=await answer.read(), status=answer.status)

        async with fronted(handle) as url, transport(url) as line:
            assert await fault_of(line.post("/v1/objects", b"x\n\n")) is Code.OUTCOME_UNKNOWN
            assert await fault_of(line.get("/v1/inbox")) is Code.NODE_UNREACHABLE


async def test_redirect_is_not_followed():
    seen = []

    async def handle(request):
        seen.append((request.path, request.headers.get("Authorization")))
        raise web.HTTPTemporaryRedirect("/elsewhere")

    async with fronted(handle) as url, transport(url) as line:
        line._token = "token"  # noqa: S105
        assert await fault_of(line.post("/v1/objects", b"x")) is Code.UNAVAILABLE
    assert [path for path, _ in seen] == ["/v1/objects"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"code":"no-such-code"}', b"\xff"])
@pytest.mark.parametrize("status", [400, 404, 500])
async def test_answer_that_is_no_problem_of_ours_is_a_fault(body, status):
    async def handle(_):
        return web.Response(body=body, status=status)

    async with fronted(handle) as url, transport(url) as line:
        line._token = "token"  # noqa: S105
        assert await fault_of(line.get("/v1/inbox")) is Code.UNAVAILABLE


async def test_suspended_endpoint_hears_so():
    async with serving() as door:
        await post(door.node, world().amended(OPS, suspended), MINSA)
        async with transport(door.url) as line:
            assert await fault_of(line.get("/v1/inbox"), Refusal) is Code.ENDPOINT_SUSPENDED
