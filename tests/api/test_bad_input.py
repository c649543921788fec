"""Bad input: a clear refusal with its code, recorded for members, counted for strangers."""

from __future__ import annotations

import asyncio
import gc
import io
import types
import zlib

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from exchange.api import framing
from exchange.model import entry as entries
from exchange.model.identity import digest
from exchange.model.wire import MAX_OBJECT_REQUEST_BYTES, MAX_REQUEST_BYTES
from tests.api.serving import serving
from tests.builders import DAY, HOUR, NOW, OPS, WATCH, world
from tests.node.running import journal, until

JWS = msgspec.json.Decoder(dict[str, object])


def resigned(raw, change):
    """A signed object whose JSON was changed after signing."""
    value = JWS.decode(raw)
    change(value)
    return msgspec.json.encode(value)


def swapped(value):
    value["signatures"].reverse()


def stripped(value):
    value["signatures"].pop()


def doubled(value):
    value["signatures"] += value["signatures"][:1]


def pair(header=None, body=None):
    envelope = world().envelope()
    return (header or envelope.header) + b"\n" + (body or envelope.body) + b"\n"


def header_of(**changes):
    return world().envelope(**changes)


ENVELOPE = world().envelope()
PAIRS = {
    "empty lines": (b"\n\n", "malformed"),
    "garbage": (b"\x00\x01\x02\xfe\n\n", "malformed"),
    "not utf-8": (b'{"payload":"\xff","signatures":[]}\n\n', "not-utf-8"),
    "truncated": (pair(ENVELOPE.header[:-7], ENVELOPE.body), "malformed"),
    "duplicated member": (
        ENVELOPE.header[:-1] + b',"payload":"AA"}\n' + ENVELOPE.body + b"\n",
        "duplicate-member",
    ),
    "unknown member": (ENVELOPE.header[:-1] + b',"more":1}\n\n', "unknown-member"),
    "missing member": (b'{"payload":"AA"}\n\n', "missing-member"),
    "wrong type": (b'{"payload":7,"signatures":[]}\n\n', "wrong-type"),
    "deeply nested": (b'{"payload":' + b"[" * 30_000 + b"]" * 30_000 + b"}\n\n", None),
    "deeply nested body": (pair(ENVELOPE.header, b'{"aad":' * 9000 + b"}" * 9000), None),
    "bad base64": (
        b'{"payload":"A","signatures":[{"protected":"A","signature":"A"}]}\n\n',
        None,
    ),
    "oversized header": (b'{"payload":"' + b"A" * 300_000 + b'"}\n\n', "oversized"),
    "oversized body": (pair(ENVELOPE.header, b"{" + b"A" * 600_000 + b"}"), "oversized"),
    "body of another": (pair(ENVELOPE.header, world().envelope().body), "digest-mismatch"),
    "no body": (ENVELOPE.header + b"\n\n", "missing-blob"),
    "body where none belongs": (world().subscription(OPS) + b"\n{}\n", "bad-framing"),
    "signature stripped": (pair(resigned(ENVELOPE.header, stripped)), "signature-count"),
    "signatures reordered": (pair(resigned(ENVELOPE.header, swapped)), "signature-order"),
    "signature added": (pair(resigned(ENVELOPE.header, doubled)), "signature-count"),
    "another's signature": (
        world().envelope(signer=world().signers[WATCH]).framed(),
        "unknown-key",
    ),
    "expired": (header_of(expires=NOW).framed(), "expired"),
    "not yet issued": (header_of(issued=NOW + HOUR).framed(), "not-yet-issued"),
    "too long a life": (
        header_of(expires=NOW + 200 * DAY, retain_until=NOW + 201 * DAY).framed(),
        "lifetime",
    ),
    "no such recipient": (
        world().envelope(to=["us.none/ops"], recipients=[world().key(WATCH)]).framed(),
        "unknown-recipient",
    ),
    "not releasable": (
        header_of(
            marking=msgspec.structs.replace(world().header().marking, releasable_to=["PAN"])
        ).framed(),
        "not-releasable",
    ),
    "sealed to somebody else too": (
        world().envelope(to=[WATCH], recipients=[world().key(OPS)]).framed(),
        "wraps-mismatch",
    ),
    "another's bulletin": (header_of(endpoint=WATCH).framed(), "not-yours"),
    "a session request": (
        world().sign(b"{}", "xb-session+jws", OPS) + b"\n\n",
        "unknown-object",
    ),
}
REQUESTS = {
    "empty": (b"", "bad-framing"),
    "no final line feed": (ENVELOPE.header + b"\n" + ENVELOPE.body, "bad-framing"),
    "odd lines": (ENVELOPE.header + b"\n" + ENVELOPE.body + b"\nx\n", "bad-framing"),
    "one line": (ENVELOPE.header + b"\n", "bad-framing"),
    "513 pairs": (b"x\n\n" * 513, "too-many"),
    "only line feeds": (b"\n" * 1_000_000, "too-many"),
    "CR LF": (ENVELOPE.header + b"\r\n" + ENVELOPE.body + b"\r\n", None),
}


async def last_refusal(door):
    facts = (await journal(door.node))[-1].facts
    assert isinstance(facts, entries.Refused), facts
    return facts


@pytest.mark.parametrize("name", PAIRS)
async def test_bad_pair_is_refused_and_recorded_without_its_bytes(name):
    data, expected = PAIRS[name]
    async with serving() as door:
        size = door.node.writer.size
        said = await door.post(data)
        assert 400 <= said.status < 500, said
        assert said.code == (expected or said.code)
        facts = await last_refusal(door)
        header = data.split(b"\n")[0]
        assert (facts.code, facts.caller) == (said.code, OPS)
        assert (facts.digest, facts.size) == (digest(header), len(header))
        # One entry, nothing owed to anybody, no blob: no partial effect.
        assert door.node.writer.size == size + 1
        assert await door.node.store.blob(digest(data.split(b"\n")[1])) is None
        assert set(await door.node.store.positions()) == {"trust"}
        (line,) = await door.batch(data)
        assert line.problem.code == said.code


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("path", ["/v1/objects", "/v1/batch"])
async def test_bad_request_is_refused_whole_and_recorded(name, path):
    data, expected = REQUESTS[name]
    async with serving() as door:
        size = door.node.writer.size
        said = await door.post(data, path=path)
        if expected is None:  # each of its pairs is refused by itself
            assert said.status in {200, 400}
            return
        assert said.code == expected or (path == "/v1/objects" and said.code == "too-many")
        facts = await last_refusal(door)
        assert (facts.digest, facts.size) == (digest(data), len(data))
        assert door.node.writer.size == size + 1


async def test_more_than_one_pair_is_no_single_post():
    async with serving() as door:
        said = await door.post(b"x\n\nx\n\n")
        assert (said.status, said.code) == (429, "too-many")


async def test_oversized_request_is_refused_by_its_length_alone():
    async with serving() as door:
        reader, writer = await door.connect()
        writer.write(
            b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
            + door.token().encode()
            + b"\r\nContent-Length: %d\r\n\r\n" % (MAX_REQUEST_BYTES + 1)
        )
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert b" 413 " in head
        facts = await last_refusal(door)
        assert (facts.code, facts.size) == ("oversized", 0)
        writer.close()


async def test_oversized_request_of_unknown_length_is_read_no_further_than_the_limit():
    async with serving() as door:

        async def endless():
            for _ in range(300):
                yield b"x" * 65_536

        said = await door.post(endless(), path="/v1/batch")
        assert (said.status, said.code) == (413, "oversized")
        facts = await last_refusal(door)
        assert MAX_REQUEST_BYTES < facts.size < MAX_REQUEST_BYTES + 300_000


async def test_compressed_request_is_not_unpacked():
    async with serving() as door:
        bomb = zlib.compress(b"\n" * 50_000_000)
        for encoding in ("deflate", "gzip", "br", "identity, deflate"):
            headers = {"Content-Encoding": encoding}
            said = await door.ask("POST", "/v1/batch", data=bomb, headers=headers)
            assert (said.status, said.code) == (400, "bad-request")


@pytest.mark.parametrize(
    "chunk", [b"zz\r\nxx\r\n", b"5\r\nabcdefgh\r\n", b"-1\r\n", b"\xff\r\n"]
)
@pytest.mark.parametrize("is_late", [False, True])
async def test_chunks_that_are_none_are_refused(chunk, is_late, monkeypatch):
    monkeypatch.setattr(framing, "IDLE_S", 0.2)
    async with serving() as door:
        reader, writer = await door.connect()
        writer.write(
            b"POST /v1/objects HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
            + door.token().encode()
            + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        if is_late:
            writer.write(b"5\r\nabcde\r\n")
            await writer.drain()
            await asyncio.sleep(
                0.05
            )  # by now the handler has begun; if not, this is the other case
        writer.write(chunk)
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        writer.close()
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 ")), answer
        assert b"application/problem+json" in answer


async def test_caller_who_hangs_up_in_mid_request_leaves_a_refusal_and_nothing_else():
    async with serving() as door:
        size = door.node.writer.size
        data = world().envelope().framed()
        _, writer = await door.connect()
        writer.write(
            b"POST /v1/objects HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
            + door.token().encode()
            + b"\r\nContent-Length: %d\r\n\r\n" % len(data)
            + data[:-40]
        )
        await writer.drain()
        writer.close()
        await until(lambda: door.node.writer.size > size)
        facts = await last_refusal(door)
        assert (facts.code, facts.size) == ("bad-framing", len(data) - 40)
        assert (await door.post(data)).status == 201


async def test_caller_who_falls_silent_is_given_up(monkeypatch):
    monkeypatch.setattr(framing, "IDLE_S", 0.05)
    async with serving() as door:

        async def silent():
            yield b"half a"
            await asyncio.sleep(1)

        said = await door.post(silent())
        assert (said.status, said.code) == (400, "bad-framing")
        assert (await last_refusal(door)).size == 6


async def test_slow_caller_holds_nobody_up():
    async with serving() as door:
        data = world().envelope().framed()
        gate = asyncio.Event()

        async def slowly():
            yield data[:100]
            await gate.wait()
            yield data[100:]

        slow = asyncio.ensure_future(door.post(slowly()))
        assert (await door.post(world().envelope().framed())).status == 201
        assert not slow.done()
        gate.set()
        assert (await slow).status == 201


NOISE = {
    "garbage": b"\x16\x03\x01\x00\xff" * 20 + b"\r\n\r\n",
    "huge header": b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    "control character": b"GET /livez HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
    "two lengths": b"POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
    b"Content-Length: 2\r\n\r\nx",
    "length and chunks": b"POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", NOISE)
async def test_what_is_not_http_is_refused_and_counted(name):
    async with serving() as door:
        size = door.node.writer.size
        answer = await door.raw(NOISE[name])
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 ")), answer[:200]
        assert b'"code":"bad-request"' in answer
        assert door.node.writer.size == size
        counted = (await door.get("/metrics", None)).body
        assert b'exchange_refused_total{code="bad-request",route=""} 1' in counted


async def test_expectation_that_is_none_is_no_fault_of_ours():
    async with serving() as door:
        said = await door.ask("POST", "/v1/objects", data=b"x", headers={"Expect": "wonders"})
        assert 400 <= said.status < 500


@pytest.mark.parametrize(
    "path",
    [
        "/v1/inbox?after=x",
        "/v1/inbox?after=-2",
        "/v1/inbox?limit=0",
        "/v1/inbox?limit=257",
        "/v1/inbox?wait=31",
        "/v1/inbox?after=99999999999999999999999999",
        "/v1/inbox?after=%D9%A3",
        "/v1/inbox?after=--1",
        "/v1/inbox?after=",
        "/v1/inbox?after=%FF%FE",
        "/v1/trust?after=x",
        "/v1/trust?node=%FF%FE",
        "/v1/trust?node=",
        "/v1/proof?index=-1",
        "/v1/proof?index=999",
        "/v1/proof",
        "/v1/blobs/x",
        "/v1/blobs/x?index=-1",
        "/v1/blobs/%FF?index=0",
        "/v1/receipts/%0A%0A",
        "/v1/receipts/%FF",
        "/v1/posted/%0A%0A",
        "/v1/receipts/" + "a" * 7000,
        "/v1/tile/0/%C2%B2%C2%B2%C2%B2.p/1",
        "/v1/tile/%C2%B2/000.p/1",
        "/v1/tile/0/000.p/%C2%B2",
        "/v1/tile/0/000.p/" + "9" * 5000,
        "/v1/tile/0/000.p/0",
        "/v1/tile/0/000.p/256",
        "/v1/tile/0/000",
        "/v1/tile/9/000",
        "/v1/tile/0/" + "x999/" * 12 + "999",
        "/v1/tile/0//000",
        "/v1/tile//",
        "/v1/checkpoint",
    ],
)
async def test_odd_question_is_refused_with_a_code(path):
    from yarl import URL  # noqa: PLC0415

    async with serving() as door:
        url = URL(door.url + path, encoded=True)
        headers = {"Authorization": f"Bearer {door.token()}"}
        async with door.http.get(url, headers=headers) as answer:
            body = await answer.read()
        assert 400 <= answer.status < 500, body
        assert msgspec.json.decode(body)["code"] in {"bad-request", "not-found"}


@pytest.fixture
def live():
    """One served node for many examples; each sees it as the ones before left it."""
    with asyncio.Runner() as runner:
        context = serving()
        door = runner.run(context.__aenter__())
        yield runner, door
        runner.run(context.__aexit__(None, None, None))


some_bytes = st.one_of(
    st.binary(max_size=300),
    st.sampled_from([pair[0] for pair in PAIRS.values() if len(pair[0]) < 20_000]),
    st.lists(st.sampled_from([b"\n", b"{", b"}", b'"', ENVELOPE.header, ENVELOPE.body])).map(
        b"".join
    ),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=some_bytes, path=st.sampled_from(["/v1/objects", "/v1/batch", "/v1/session"]))
def test_any_bytes_get_one_decision_and_no_fault(live, data, path):
    runner, door = live
    before = door.node.writer.size
    said = runner.run(door.post(data, path=path))
    assert said.status < 500
    if path == "/v1/session":
        assert (said.status, door.node.writer.size) == (said.status, before)
        assert said.code
    elif path == "/v1/objects" and said.status >= 400:
        assert said.code
        assert door.node.writer.size == before + 1
        facts = entries.decode(runner.run(door.node.store.read(before, 1))[0].entry).facts
        assert facts.code == said.code
    assert door.node.is_ready


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400))
def test_any_bytes_on_the_line_are_answered_or_dropped_and_harm_nobody(live, data):
    runner, door = live

    async def send():
        reader, writer = await door.connect()
        writer.write(data)
        writer.write_eof() if writer.can_write_eof() else None
        try:
            return await asyncio.wait_for(reader.read(), 0.05)
        except TimeoutError:
            return b""
        finally:
            writer.close()

    answer = runner.run(send())
    assert not answer.startswith(b"HTTP/1.1 5")
    assert runner.run(door.get("/livez", None)).status == 200


async def test_refused_requests_leave_nothing_behind_in_memory():
    """A refusal that kept its traceback kept the whole request: a token holder's weapon."""
    gc.collect()
    gc.disable()
    try:
        async with serving() as door:
            for _ in range(5):
                assert (await door.post(b"x", path="/v1/batch")).code == "bad-framing"
            kept = [each for each in gc.get_objects() if isinstance(each, types.FrameType)]
            assert not [each for each in kept if each.f_code.co_name == "_framed"]
    finally:
        gc.enable()


async def test_one_object_may_have_a_mebibyte():
    async with serving() as door:
        said = await door.post(io.BytesIO(b"x" * (MAX_OBJECT_REQUEST_BYTES + 1)))
        assert said.code == "oversized"
