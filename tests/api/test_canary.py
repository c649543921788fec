"""No content, key, token or passphrase reaches a log line, an answer, an entry or an error.

Strings that occur nowhere else are planted where secrets lie; then everything is provoked that
the node can be provoked to say.
"""

from __future__ import annotations

import io
import logging
import traceback

import pytest
import structlog

from exchange.errors import ExchangeError
from exchange.model.codec import b64
from exchange.node import considering
from exchange.store.memory import MemoryStore
from tests.api.serving import Door, serving, session_request
from tests.builders import COAST, MINSA, NOW, OPS, WATCH, suspended, world
from tests.faults import Failure, FaultyStore
from tests.node.running import post

CANARY = "CANARIO-7f3a-PUNTA-MALA"
TEXT = b'{"exercise":"' + CANARY.encode() + b'"}'


@pytest.fixture
def diary():
    """Everything that any logger of this process writes while the test runs."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(written),
        cache_logger_on_first_use=False,
    )
    try:
        yield written
    finally:
        structlog.reset_defaults()
        root.removeHandler(handler)
        root.setLevel(level)


def secrets(door: Door) -> list[str]:
    """The planted words, and the real secrets in every spelling they have here."""
    seeds = [
        key.seed
        for each in (*world().secrets.values(), world().node)
        for keys in each.keys.values()
        for key in keys
    ]
    session = b"exercise session key, 32 bytes.."
    told = [CANARY, b64(TEXT), *door._tokens.values()]
    return told + [spell for each in (*seeds, session) for spell in (b64(each), each.hex())]


class Told:
    """What a node says, gathered."""

    def __init__(self) -> None:
        self.said: list[bytes] = []

    async def __call__(self, answer) -> None:
        got = await answer
        self.said.append(got if isinstance(got, bytes) else got.body)


async def misuse_posting(door: Door, tell: Told) -> None:
    sealed = world().envelope(text=TEXT)
    await tell(door.post(sealed.framed()))
    await tell(door.post(sealed.framed()))
    await tell(door.post(sealed.framed(), COAST))
    await tell(door.post(sealed.header + b"\n" + TEXT + b"\n"))
    # Names of members, values of the wrong kind: what parsers like to quote in their errors.
    nested = b'{"payload":"AA","signatures":[],"' + CANARY.encode() + b'":1}'
    for raw in (TEXT, nested, CANARY.encode(), b'{"payload":"' + CANARY.encode() + b'"}'):
        for data in (raw + b"\n\n", raw + b"\n" + raw + b"\n", raw, raw + b"\n"):
            await tell(door.post(data))
            await tell(door.post(data, path="/v1/batch"))
            await tell(door.post(data, None, "/v1/session"))
    for payload in (TEXT, b'{"v":"' + CANARY.encode() + b'"}'):
        for typ in ("xb-header+jws", "xb-ack+jws", "xb-trust+jws", "xb-session+jws", CANARY):
            await tell(door.post(world().sign(payload, typ, OPS) + b"\n{}\n"))
            await tell(door.post(world().sign(payload, typ, OPS) + b"\n\n", MINSA))


async def misuse_sessions_and_paths(door: Door, tell: Told) -> None:
    await tell(door.post(session_request(CANARY, NOW), None, "/v1/session"))
    for header in ("Bearer ", "Basic ", "Bearer x."):
        headers = {"Authorization": header + CANARY}
        await tell(door.get("/v1/inbox", None, headers=headers))
    paths = ("inbox?after=", "tile/", "receipts/", "blobs/", "proof?index=", "", "trust?after=")
    for path in (*paths, "inbox?endpoint=", "posted/"):
        await tell(door.get(f"/v1/{path}{CANARY}"))


async def misuse_http(door: Door, tell: Told) -> None:
    request = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
    token = b"Authorization: Bearer " + door.token().encode()
    for line in (token + b"\x00", CANARY.encode() + b"\x01", b"X: " + b"a" * 70_000 + token):
        await tell(door.raw(request + line + b"\r\n\r\n"))
    await tell(door.raw(CANARY.encode() + b" " + token + b"\r\n\r\n"))
    await tell(door.ask("POST", "/v1/objects", data=b"x", headers={"Expect": CANARY}))


async def fail_its_store(door: Door, tell: Told, faulty: FaultyStore) -> None:
    faulty.fail(Failure.REFUSE, Failure.LOSE_WRITE)
    await tell(door.post(world().envelope(text=TEXT).framed()))
    await tell(door.post(world().envelope(text=TEXT).framed()))
    faulty.is_silent = True
    for path in ("inbox", "trust", "receipts/x", "proof?index=0", "journal", "tile/0/000.p/1"):
        await tell(door.get(f"/v1/{path}", "us.oig/audit"))
    await tell(door.post(world().envelope(text=TEXT).framed()))
    faulty.is_silent = False


def quotes(arrival, _):
    """A defect whose message quotes what was posted."""
    raise ValueError(CANARY, arrival)


async def plant_defects(door: Door, tell: Told, monkeypatch) -> None:
    for place, name in ((considering, "consider"), (door.node, "submit")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, quotes)
            await tell(door.post(world().envelope(text=TEXT).framed()))
    with monkeypatch.context() as patch:
        patch.setattr(type(door.node.checkpoints), "checkpoint", lambda _: quotes(b"", None))
        door.node._start("planted", door.node.checkpoints.run(0))
        await door.get("/livez", None)


async def provoke(door: Door, faulty: FaultyStore, monkeypatch) -> list[bytes]:
    """Make the node say no in every way it has; return all that it said."""
    tell = Told()
    await misuse_posting(door, tell)
    await misuse_sessions_and_paths(door, tell)
    await misuse_http(door, tell)
    await fail_its_store(door, tell, faulty)
    await plant_defects(door, tell, monkeypatch)
    await post(door.node, world().amended(COAST, suspended), MINSA)
    await tell(door.get("/v1/inbox", COAST))
    await tell(door.get("/metrics", None))
    await tell(door.get("/livez", None))
    return tell.said


async def test_nothing_secret_is_said_logged_or_recorded(diary, monkeypatch):
    faulty = FaultyStore(MemoryStore())
    async with serving(faulty) as door:
        door.token(WATCH)
        answers = await provoke(door, faulty, monkeypatch)
        journal = b"".join(row.entry for row in await door.node.store.read(0, 9999))
        # The bodies are there, sealed; what was refused is not there at all.
        blobs = b"".join(faulty.inner._tables.blobs.values())
        hidden = secrets(door)
    said, log = b"".join(answers), diary.getvalue()
    assert log.count('"event": "refused"') > 50, "the diary was not listened to"
    assert log.count('"event": "broken"') >= 2
    assert '"part": "planted"' in log
    for secret in hidden:
        assert secret not in log
        assert secret.encode() not in journal
        assert secret.encode() not in blobs
        if secret != CANARY:  # what a caller wrote may be told back to that caller
            assert secret.encode() not in said


async def test_what_aiohttp_itself_would_log_is_cut_to_its_kind(diary):
    async with serving() as door:
        logger = door.runner._kwargs["logger"]
    error = ValueError(CANARY)
    for tell in (logger.exception, logger.warning, logger.debug):
        tell("Error handling request %s", CANARY, exc_info=error)
    assert "ValueError" in diary.getvalue()
    assert CANARY not in diary.getvalue()


async def test_errors_hold_codes_and_places_and_no_bytes():
    async with serving() as door:
        found = []
        for raw in (TEXT, b'{"payload":"' + b64(TEXT).encode() + b'","signatures":[]}'):
            answer = await door.node.submit(OPS, raw, TEXT)
            found.append(answer.refusal)
    for error in found:
        assert isinstance(error, ExchangeError)
        told = "".join(traceback.format_exception(error)) + repr(error) + str(error)
        assert CANARY not in told
        assert b64(TEXT) not in told
