"""A node that answers anything: a fault with its code, and never a broken program."""

from __future__ import annotations

import pytest
from aiohttp import web

from exchange.client.answers import decoded
from exchange.client.transport import error_of
from exchange.errors import Code, Fault
from exchange.model import wire
from tests.builders import WATCH
from tests.client.attached import a_file, endpoint, node
from tests.client.dealing import agency, draft, fronted
from tests.client.streams import Relay, relayed

GARBLED = {
    "nested deeply": b'{"x":' + b"[" * 100_000,
    "no UTF-8": b'{"endpoint":"\xff","problem":"\xff"}',
    "half a surrogate": b'{"endpoint":"\\ud800"}',
    "no JSON": b"<html>",
    "another": b"{}",
    "nothing": b"",
}
garbled = pytest.mark.parametrize("body", GARBLED.values(), ids=GARBLED)


@garbled
def test_answer_that_is_none_is_a_fault(body):
    for wanted in (wire.InboxPage, wire.Upload, wire.Problem):
        with pytest.raises(Fault) as caught:
            decoded(body, wanted)
        assert caught.value.code is Code.UNAVAILABLE
    problem = error_of(body, 418)
    assert isinstance(problem, Fault)
    assert (problem.code, problem.facts) == (Code.UNAVAILABLE, {"found": 418})


@garbled
async def test_garbled_page_or_session_is_a_fault(body, tmp_path):
    async def handle(_):
        return web.Response(body=body, content_type="application/json")

    async with fronted(handle) as url, agency(url, tmp_path, WATCH) as line:
        for _ in range(2):
            with pytest.raises(Fault) as caught:
                await line.everything()
            assert caught.value.code is Code.UNAVAILABLE


@garbled
async def test_garbled_receipt_proves_nothing_and_the_envelope_is_kept(body, tmp_path):
    async with relayed() as (_, relay, url), agency(url, tmp_path) as line:
        prepared = await line.prepare(draft())
        relay.refused["/v1/objects"] = [web.Response(body=body)]
        with pytest.raises(Fault) as caught:
            await line.post(prepared)
        assert caught.value.code is Code.BAD_PROOF
        assert line.world.outbox.waiting() == [prepared.header.id]
        (receipt,) = await line.resume()
        assert receipt.index


@garbled
async def test_answer_to_an_upload_that_is_none_is_a_reason_to_ask_again(body, tmp_path):
    garbled_once = [web.Response(body=body)]
    async with node(tmp_path) as door:
        relay = Relay(door)

        async def handle(request):
            if request.method == "PATCH" and garbled_once:
                await request.read()
                return garbled_once.pop()
            return await relay.handle(request)

        async with fronted(handle) as url, endpoint(url, tmp_path / "ops") as (line, pauses):
            prepared = await line.prepare(draft(), attach=[a_file(tmp_path)])
            assert (await line.post(prepared)).index
        assert (garbled_once, len(pauses.seconds)) == ([], 1)
