"""Statements that are verified, not posted: opened grants, notices, receipts, sessions ...

Each vector names its ``statement`` and holds what whoever verifies it is given; see the README
beside them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from exchange import resources
from exchange.client import receipts
from exchange.errors import Code, Refusal
from exchange.journal.tree import Group, leaf_hash
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.codec import b64, unb64
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.model.view import View
from exchange.node.sessions import Sessions
from exchange.seal import jws, notices
from exchange.seal.open import SoftwareOpener, check_grant, granted_wrap, open_body
from exchange.seal.software import SecretKey, SoftwareSigner
from tests import builders
from tests.books import Book
from tests.builders import COAST, DESK, NOW, OPS, WATCH, WATCH_DESK, Closed, World
from tests.node.running import SESSION_KEY
from tests.vectors import enrolling, forging, granting
from tests.vectors.case import Statement

ANOTHER_ID = granting.ANOTHER_ID


# -- grants, as their recipient opens them -------------------------------------------------


def _grant(
    world: World,
    of: Callable[[World, Closed], Any] | None = None,
    shown: Callable[[World, Closed], Any] | None = None,
) -> dict[str, Any]:
    closed = world.closed()
    grant = of(world, closed) if of else world.grant(closed)
    envelope = shown(world, closed) if shown else closed.envelope
    return {
        "recipient": WATCH_DESK,
        "object": envelope.header.decode(),
        "body": envelope.body.decode(),
        "grant": grant.header.decode(),
        "wrap": grant.body.decode(),
    }


def _shown_wrap(world: World, closed: Closed) -> Any:
    """Another wrapped key than the grant names, of the same size."""
    return world.grant(closed)._replace(body=world.grant(closed).body)


def _of_another_key(world: World, closed: Closed) -> Any:
    return world.grant(closed._replace(key=bytes(32)))


def _of_another_context(world: World, closed: Closed) -> Any:
    """Wrapped under another header's context."""
    other = world.grant(world.closed()._replace(key=closed.key))
    blob = Blob(digest(other.body), len(other.body))
    return world.grant(closed, wrap=blob)._replace(body=other.body)


GRANTS = [
    Statement("grant", "grant-opened", "a late recipient opens what it was granted", None, "",
              _grant),
    Statement("grant", "grant-opened-of-another-header", "another header than granted",
              Code.DIGEST_MISMATCH, "/of/header_digest",
              partial(_grant, shown=lambda w, _: w.envelope())),
    Statement("grant", "grant-opened-under-another-id", "id and digest of two bulletins",
              Code.TARGET_MISMATCH, "/of", partial(_grant, of=granting.about(id=ANOTHER_ID))),
    Statement("grant", "grant-opened-by-another-member", "granted by who did not post it",
              Code.TARGET_MISMATCH, "/of",
              partial(_grant, of=granting.granted_to(WATCH_DESK, COAST))),
    Statement("grant", "grant-opened-with-another-wrap", "another wrapped key than named",
              Code.DIGEST_MISMATCH, "/wrap/digest", partial(_grant, of=_shown_wrap)),
    Statement("grant", "grant-opened-with-a-longer-wrap", "a longer wrapped key than named",
              Code.SIZE_MISMATCH, "/wrap/size",
              partial(_grant, of=granting.other_wrap(lambda raw: raw + b" "))),
    Statement("grant", "grant-opened-wrapped-to-another", "a key wrapped to another endpoint",
              Code.NOT_A_RECIPIENT, "/body/recipients",
              partial(_grant, of=granting.granted_to(COAST))),
    Statement("grant", "grant-opened-of-another-key", "another key than the body is sealed by",
              Code.CANNOT_DECRYPT, "/body/ciphertext", partial(_grant, of=_of_another_key)),
    Statement("grant", "grant-opened-of-another-context", "wrapped under another header",
              Code.CANNOT_DECRYPT, "/body/recipients",
              partial(_grant, of=_of_another_context)),
]  # fmt: skip


def _opened(told: Mapping[str, Any], _: View, seeds: Mapping[str, str]) -> dict[str, Any]:
    signed = jws.read(told["object"].encode(), headers.MAX_HEADER_BYTES)
    header = headers.decode(signed.payload)
    grant = objects.decode_grant(
        jws.read(told["grant"].encode(), objects.MAX_OBJECT_BYTES).payload
    )
    check_grant(grant, header, signed.digest)
    wrap = granted_wrap(grant, header, told["wrap"].encode())
    opener = SoftwareOpener(SecretKey("HPKE-9-KE", unb64(seeds[told["recipient"]])))
    found = open_body(header, told["body"].encode(), [opener], wrap)
    return {"text": found.text.decode(), "salt": b64(found.salt)}


# -- notices -------------------------------------------------------------------------------


_CLOCK = {
    "regime": "salas-becker", "silence": "deemed-consent", "node": "us", "index": 9,
    "taken": NOW, "due": NOW + 7200, "note": "bm90ZQ", "dated": NOW + 7201,
}  # fmt: skip


def _notice(world: World, **changes: Any) -> dict[str, Any]:
    return {"object": world.notice(world.envelope(), **changes).decode()}


def _signed_notice(
    world: World, change: Callable[[Any], object], by: SoftwareSigner | None = None
) -> dict[str, Any]:
    """A notice whose payload is changed, signed by the node or another."""
    payload = forging.payload_of(world.notice(world.envelope()))
    signer = by or SoftwareSigner("xb1-h", world.node.of("sign"))
    raw = jws.sign(forging.altered(payload, change), objects.NOTICE_TYP, [signer])
    return {"object": raw.decode()}


def _stripped(world: World) -> dict[str, Any]:
    raw = world.notice(world.envelope())
    return {"object": forging.altered(raw, lambda told: told["signatures"].pop()).decode()}


def _unchanged(_: Any) -> None:
    return


_REFUSED: dict[str, Any] = {"about": "refused", "recipient": WATCH, "code": "not-releasable"}

NOTICES = [
    Statement("notice", "notice-late", "a late arrival", None, "", _notice),
    Statement("notice", "notice-refused", "refused abroad for one recipient", None, "",
              partial(_notice, **_REFUSED)),
    Statement("notice", "notice-waiting", "waits abroad for an attachment", None, "",
              partial(_notice, about="waiting", recipient=WATCH, code="kept-quota")),
    Statement("notice", "notice-waiting-for-nobody", "waits abroad, for whom not told",
              Code.WRONG_VALUE, "/recipient",
              partial(_notice, about="waiting", code="kept-quota")),
    Statement("notice", "notice-deemed", "a reply that is deemed given", None, "",
              partial(_notice, about="deemed", code="authorise", clock=_CLOCK)),
    Statement("notice", "notice-deemed-without-clock", "deemed given, by which clock not told",
              Code.WRONG_VALUE, "/clock", partial(_notice, about="deemed", code="authorise")),
    Statement("notice", "notice-review", "asked whether it still holds, by a rule", None, "",
              partial(_notice, about="review", code="persons")),
    Statement("notice", "notice-review-without-a-rule", "asked, by which rule not told",
              Code.WRONG_VALUE, "/code", partial(_notice, about="review")),
    Statement("notice", "notice-late-with-a-code", "a late arrival with a refusal's code",
              Code.WRONG_VALUE, "/code", partial(_notice, code="expired")),
    Statement("notice", "notice-late-with-a-recipient", "a late arrival at one recipient",
              Code.WRONG_VALUE, "/recipient", partial(_notice, recipient=WATCH)),
    Statement("notice", "notice-refused-for-nobody", "refused abroad, for whom not told",
              Code.WRONG_VALUE, "/recipient",
              partial(_notice, about="refused", code="expired")),
    Statement("notice", "notice-deemed-without-outcome", "deemed answered, how not told",
              Code.WRONG_VALUE, "/code", partial(_notice, about="deemed", clock=_CLOCK)),
    Statement("notice", "notice-of-no-kind", "news of a kind that is not in the list",
              Code.WRONG_VALUE, "/about", partial(_notice, about="lost")),
    Statement("notice", "notice-unknown-member", "a member of no name", Code.UNKNOWN_MEMBER,
              "", partial(_signed_notice, change=lambda told: told.update(x=1))),
    Statement("notice", "notice-of-no-node", "a node in no directory", Code.BAD_PROOF, "/node",
              partial(_notice, node="xx")),
    Statement("notice", "notice-by-an-endpoint", "signed by an endpoint", Code.UNKNOWN_KEY,
              "/signatures/0",
              lambda w: _signed_notice(w, _unchanged, w.signers[OPS])),
    Statement("notice", "notice-stripped", "the post-quantum signature left out",
              Code.SIGNATURE_COUNT, "/signatures", _stripped),
    Statement("notice", "notice-under-another-typ", "signed as a receipt's statement",
              Code.UNKNOWN_OBJECT, "/signatures/0/protected",
              lambda w: {"object": jws.sign(
                  forging.payload_of(w.notice(w.envelope())), objects.RECEIPT_TYP,
                  [SoftwareSigner("xb1-h", w.node.of("sign"))]).decode()}),
]  # fmt: skip


def _noticed(told: Mapping[str, Any], view: View, _: Mapping[str, str]) -> dict[str, Any]:
    return {"payload": msgspec.to_builtins(notices.verify(told["object"].encode(), view))}


# -- receipts ------------------------------------------------------------------------------


def _receipt(
    world: World,
    change: Callable[[dict[str, Any]], object] = _unchanged,
    **statement: Any,
) -> dict[str, Any]:
    """A receipt for the second of three entries of one group; both parts may be changed."""
    envelopes = [world.envelope() for _ in range(3)]
    book = Book(world.view)
    book.post(*(world.arrival(each) for each in envelopes))
    group = Group([leaf_hash(each) for each in book.entries])
    said = objects.GroupStatement(
        v="xb1",
        suite="xb1-h",
        node="pa",
        epoch=1,
        first=book.base,
        count=3,
        root=b64(group.root),
    )
    signer = SoftwareSigner("xb1-h", world.node.of("sign"))
    payload = msgspec.json.encode(msgspec.structs.replace(said, **statement))
    receipt = {
        "node": "pa",
        "index": book.base + 1,
        "facts": book.entries[1].partition(b"\n")[0].decode(),
        "path": [b64(step) for step in group.path(1)],
        "group": json.loads(jws.sign(payload, objects.RECEIPT_TYP, [signer])),
    }
    told = {"posted": envelopes[1].header.decode(), "receipt": receipt}
    change(told)
    return told


def _by_an_endpoint(world: World) -> dict[str, Any]:
    told = _receipt(world)
    payload = forging.payload_of(forging.compact(told["receipt"]["group"]))
    told["receipt"]["group"] = json.loads(world.sign(payload, objects.RECEIPT_TYP, OPS))
    return told


def _changed(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda told: told["receipt"].update(changes)


RECEIPTS = [
    Statement("receipt", "receipt", "an entry in the middle of its commit group", None, "",
              _receipt),
    Statement("receipt", "receipt-of-another-object", "for another object than posted",
              Code.BAD_PROOF, "",
              partial(_receipt, change=lambda told: told.update(posted=told["posted"][:-1]))),
    Statement("receipt", "receipt-of-another-place", "an index that is not its own",
              Code.BAD_PROOF, "", partial(_receipt, change=lambda told: told["receipt"].update(
                  index=told["receipt"]["index"] + 1))),
    Statement("receipt", "receipt-with-another-path", "a path one step short", Code.BAD_PROOF,
              "", partial(_receipt, change=lambda told: told["receipt"]["path"].pop())),
    Statement("receipt", "receipt-with-other-facts", "facts with another time",
              Code.BAD_PROOF, "", partial(_receipt, change=lambda told: told["receipt"].update(
                  facts=told["receipt"]["facts"].replace('"taken_ms":1', '"taken_ms":2')))),
    Statement("receipt", "receipt-with-another-root", "a statement of another root",
              Code.BAD_PROOF, "", partial(_receipt, root="A" * 43)),
    Statement("receipt", "receipt-of-another-node", "a statement by another node",
              Code.BAD_PROOF, "/node", partial(_receipt, node="us")),
    Statement("receipt", "receipt-of-no-node", "a node in no directory", Code.BAD_PROOF,
              "/node", partial(_receipt, change=_changed(node="xx"))),
    Statement("receipt", "receipt-by-an-endpoint", "signed by an endpoint", Code.UNKNOWN_KEY,
              "/signatures/0", _by_an_endpoint),
    Statement("receipt", "receipt-stripped", "the post-quantum signature left out",
              Code.SIGNATURE_COUNT, "/signatures",
              partial(_receipt, change=lambda told: told["receipt"]["group"][
                  "signatures"].pop())),
]  # fmt: skip


def _verified(told: Mapping[str, Any], view: View, _: Mapping[str, str]) -> dict[str, Any]:
    receipt = msgspec.json.decode(forging.compact(told["receipt"]), type=objects.Receipt)
    facts = receipts.verify(receipt, told["posted"].encode(), view)
    return {"facts": msgspec.to_builtins(facts)}


# -- session requests ----------------------------------------------------------------------


def _sessions() -> Sessions:
    return Sessions("pa", SESSION_KEY, builders.Randomness("nonce"))


def _session(
    world: World, by: str = OPS, signer: str | None = None, typ: str = objects.SESSION_TYP,
    **changes: Any,
) -> dict[str, Any]:  # fmt: skip
    request = objects.SessionRequest(
        v="xb1",
        suite="xb1-h",
        origin=by.partition("/")[0],
        endpoint=by,
        node="pa",
        nonce=_sessions().nonce(NOW),
        issued=NOW,
    )
    payload = msgspec.json.encode(msgspec.structs.replace(request, **changes))
    raw = world.sign(payload, typ, signer or by)
    return {"taken_ms": NOW * 1000, "object": raw.decode()}


def _late(world: World) -> dict[str, Any]:
    return {**_session(world, issued=NOW + 121), "taken_ms": (NOW + 121) * 1000}


SESSIONS = [
    Statement("session", "session", "an endpoint opens a session", None, "", _session),
    Statement("session", "session-with-another-node", "a request for another node",
              Code.BAD_SESSION, "/node", partial(_session, node="us")),
    Statement("session", "session-with-a-made-up-nonce", "a nonce that the node did not give",
              Code.BAD_SESSION, "/nonce", partial(_session, nonce="e30.AAAA")),
    Statement("session", "session-with-an-old-nonce", "a nonce given over two minutes before",
              Code.BAD_SESSION, "/nonce", _late),
    Statement("session", "session-issued-ahead", "issued over two minutes ahead",
              Code.BAD_SESSION, "/issued", partial(_session, issued=NOW + 121)),
    Statement("session", "session-under-anothers-keys", "signed by a colleague",
              Code.BAD_SESSION, "", partial(_session, signer=DESK)),
    Statement("session", "session-of-nobody", "an endpoint in no directory",
              Code.BAD_SESSION, "",
              partial(_session, by="pa.senan/nadie", signer=OPS)),
    Statement("session", "session-under-another-typ", "signed as a subscription",
              Code.UNKNOWN_OBJECT, "/signatures/0/protected",
              partial(_session, typ=objects.SUBSCRIPTION_TYP)),
]  # fmt: skip


def _in_session(told: Mapping[str, Any], view: View, _: Mapping[str, str]) -> dict[str, Any]:
    now = told["taken_ms"] // 1000
    answered = _sessions().open(told["object"].encode(), view, now)
    caller = _sessions().caller(f"Bearer {answered.token}", view, now)
    return {"endpoint": caller.endpoint.id}


# -- all of them ---------------------------------------------------------------------------

_VERIFY: dict[str, Callable[[Mapping[str, Any], View, Mapping[str, str]], dict[str, Any]]] = {
    "grant": _opened,
    "notice": _noticed,
    "receipt": _verified,
    "session": _in_session,
    "enrolment": enrolling.checked,
}


STATEMENTS = [*GRANTS, *NOTICES, *RECEIPTS, *SESSIONS, *enrolling.ENROLMENTS]
FOLDER = resources.schemas() / "v1/vectors/statements"


def outcome(told: Mapping[str, Any], view: View, seeds: Mapping[str, str]) -> dict[str, Any]:
    """What whoever verifies a vector finds."""
    try:
        return _VERIFY[told["statement"]](told, view, seeds)
    except Refusal as refusal:
        return {"code": refusal.code.value, "at": refusal.at}


def vector(statement: Statement, world: World) -> dict[str, Any]:
    """The vector of a statement, with the answer that it was made for."""
    made = {
        "name": statement.name,
        "shows": statement.shows,
        "world": "world.json",
        "statement": statement.statement,
        **statement.make(world),
    }
    seeds = {WATCH_DESK: b64(world.secrets[WATCH_DESK].of("open")[0].seed)}
    expect = outcome(made, world.view, seeds)
    expected = {"code": statement.code.value, "at": statement.at} if statement.code else None
    assert expected in (None, expect), (statement.name, expect)
    assert statement.code or "code" not in expect, (statement.name, expect)
    return {**made, "expect": expect}


def fill(world: World) -> int:
    """Write each vector that has no file yet; how many."""
    missing = [each for each in STATEMENTS if not (FOLDER / f"{each.name}.json").exists()]
    FOLDER.mkdir(exist_ok=True)
    for each in missing:
        text = json.dumps(vector(each, world), ensure_ascii=False, indent=1) + "\n"
        (FOLDER / f"{each.name}.json").write_text(text, "utf-8")
    return len(missing)
