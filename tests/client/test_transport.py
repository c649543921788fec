"""The line to the node: one pinned certificate, TLS 1.3, and errors that say what is known."""

from __future__ import annotations

import datetime as dt
from functools import cache

import msgspec
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from exchange.cli import state
from exchange.client import transport as transports
from exchange.client.transport import Transport
from exchange.errors import Code, Fault, Refusal
from exchange.model import wire
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
    old.inner.set_min_proto_version(SSL.TLS1_2_VERSION)
    old.inner.set_max_proto_version(SSL.TLS1_2_VERSION)
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


async def test_answer_without_end_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(transports, "MAX_ANSWER_BYTES", 1000)

    async def handle(request):
        return web.Response(body=bytes(1001 if request.path == "/long" else 1000))

    async with fronted(handle) as url, transport(url) as line:
        line._token = "token"  # noqa: S105
        assert len(await line.get("/enough")) == 1000
        assert await fault_of(line.get("/long")) is Code.OVERSIZED


def test_facts_named_like_our_own_arguments_do_no_harm():
    said = wire.Words("", "", "", "")
    facts = {"self": 1, "code": "x", "at": "y", "name": "kept"}
    problem = wire.Problem("", "", 400, "expired", "/here", facts, said, said)
    error = transports.error_of(msgspec.json.encode(problem), 400)
    assert (error.code, error.at, error.facts) == (Code.EXPIRED, "/here", {"name": "kept"})


ISSUED_SEED = b"exercise key of another, 32 by.."


@cache
def issued() -> str:
    """A certificate that the key of the pinned one issued to another key."""
    issuer = x509.load_pem_x509_certificate(certificate().encode())
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "another")]))
        .issuer_name(issuer.subject)
        .public_key(state._tls_key(ISSUED_SEED).public_key())
        .serial_number(7)
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(issuer.not_valid_before_utc + dt.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(state._tls_key(TLS_SEED), hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize("pin", ["issuer", "issued"])
async def test_pinned_certificate_speaks_for_itself_alone(pin):
    async def handle(_):
        return web.Response()

    pinned = certificate() if pin == "issuer" else issued()
    async with (
        fronted(handle, state.server_context(issued(), ISSUED_SEED)) as url,
        transport(url, certificate=pinned) as line,
    ):
        line._token = "token"  # noqa: S105
        if pin == "issued":
            assert await line.get("/v1/inbox") == b""
        else:
            assert await fault_of(line.get("/v1/inbox")) is Code.NODE_UNREACHABLE
