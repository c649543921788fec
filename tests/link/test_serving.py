"""A witness over real HTTPS, as a node's courier and as strangers meet it."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from exchange.cli import state
from exchange.client.transport import certificate_digest
from exchange.errors import Code, Fault
from exchange.journal.quorum import PIN
from exchange.journal.quorum import Witness as Named
from exchange.journal.witness import MAX_REQUEST_BYTES, SIZE_TYPE
from exchange.link.courier import Courier
from exchange.link.serving import make_app, make_runner
from exchange.node.witness import Witness
from exchange.store.witnessed import WitnessFiles
from tests import builders
from tests.api.serving import certificate
from tests.node.witnessed import FORKED, LOGS, NOW, OWN, asked, signed


@asynccontextmanager
async def serving(witness):
    runner = make_runner(make_app(witness), shutdown_timeout=0.1)
    await runner.setup()
    tls = state.server_context(certificate(), builders.TLS_SEED)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def recall(tmp_path):
    WitnessFiles.found(tmp_path)
    recall = WitnessFiles.open(tmp_path)
    yield recall
    await recall.close()


@pytest.fixture
async def url(recall):
    async with serving(Witness(LOGS, OWN, recall, lambda: NOW * 1000)) as url:
        yield url


@pytest.fixture
async def http():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as http:
        yield http


def named(url, pin=None):
    pin = certificate_digest(certificate()) if pin is None else pin
    return Named("w", OWN.key, f"{url}{PIN}{pin}")


async def test_a_courier_brings_a_checkpoint_and_its_cosignature(url):
    async with Courier() as courier:
        status, body = await courier.add(named(url), asked(0, 7).encode())
        assert status == 200
        assert body.startswith("— exercise.example/w ".encode())
        assert await courier.add(named(url), asked(0, 8).encode()) == (409, b"7\n")
        assert await courier.remembered(named(url), signed(8)) is not None
        assert await courier.remembered(named(url), b"nonsense") is None


async def test_an_address_whose_certificate_is_not_told_is_not_asked(url):
    async with Courier() as courier:
        with pytest.raises(Fault) as caught:
            await courier.add(Named("w", OWN.key, f"{url}#node=pa"), asked(0, 7).encode())
    assert caught.value.code is Code.NODE_UNREACHABLE
    assert caught.value.facts["expected"] == "https"


async def test_answers_are_of_the_media_types_of_the_standard(url, http):
    async with http.post(f"{url}/add-checkpoint", data=asked(0, 7).encode()) as answer:
        assert (answer.status, answer.content_type) == (200, "text/plain")
    async with http.post(f"{url}/add-checkpoint", data=asked(0, 7).encode()) as answer:
        assert (answer.status, answer.content_type) == (409, SIZE_TYPE)


@pytest.mark.parametrize(
    ("asks", "data", "status"),
    [
        ("GET /add-checkpoint", None, 405),
        ("POST /other", b"", 404),
        ("POST /add-checkpoint", b"", 400),
        ("POST /add-checkpoint", b"x" * (MAX_REQUEST_BYTES + 1), 413),
        ("POST /add-checkpoint", asked(5, 7).encode(), 409),
        ("POST /get-checkpoint", b"", 403),
        ("GET /livez", None, 200),
        ("GET /readyz", None, 200),
    ],
)
async def test_every_no_is_a_status_and_no_more(url, http, asks, data, status):
    method, path = asks.split()
    async with http.request(method, url + path, data=data) as answer:
        assert answer.status == status
        if status >= 400 and status != 409:
            assert await answer.read() == b""


async def test_what_was_answered_and_what_convicts_is_counted(url, http):
    for request in (asked(0, 20), asked(20, 20, FORKED, path=[]), asked(0, 7)):
        await http.post(f"{url}/add-checkpoint", data=request.encode())
    async with http.get(f"{url}/metrics") as answer:
        told = (await answer.text()).splitlines()
    assert 'exchange_witness_answers_total{status="200"} 1' in told
    assert 'exchange_witness_answers_total{status="409"} 2' in told
    assert 'exchange_witness_log_entries{log="exercise.example/journal"} 20' in told
    assert "exchange_witness_evidence 1" in told


class Forgetful:
    """A memory whose disk is full."""

    async def newest(self, origin):  # noqa: ARG002
        return None

    async def advance(self, origin, before, after):  # noqa: ARG002
        raise Fault(Code.STORE_FAILED)


async def test_what_cannot_be_remembered_is_not_signed():
    async with (
        serving(Witness(LOGS, OWN, Forgetful(), lambda: NOW * 1000)) as url,
        Courier() as courier,
    ):
        assert await courier.add(named(url), asked(0, 7).encode()) == (503, b"")


@pytest.mark.parametrize("pin", ["A" * 43, "nonsense", ""])
async def test_a_courier_speaks_to_no_other_than_the_certificate_that_was_agreed_on(url, pin):
    async with Courier() as courier:
        with pytest.raises(Fault) as caught:
            await courier.add(named(url, pin), asked(0, 7).encode())
    assert caught.value.code is Code.NODE_UNREACHABLE


async def test_a_courier_sends_nothing_in_the_clear():
    async with Courier() as courier:
        with pytest.raises(Fault) as caught:
            await courier.add(Named("w", OWN.key, "http://127.0.0.1:9"), b"")
    assert caught.value.facts["expected"] == "https"


async def test_a_courier_reads_no_endless_answer():
    async def flood(_):
        return web.Response(body=b"x" * 1_000_000)

    app = web.Application()
    app.router.add_post("/add-checkpoint", flood)
    runner = web.AppRunner(app)
    await runner.setup()
    tls = state.server_context(certificate(), builders.TLS_SEED)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        async with Courier() as courier:
            with pytest.raises(Fault):
                await courier.add(named(f"https://127.0.0.1:{runner.addresses[0][1]}"), b"")
    finally:
        await runner.cleanup()
