"""Packages of journals that were made up, with a node's and its witnesses' own keys even."""

from __future__ import annotations

import msgspec
import pytest

from exchange.evidence import archive, parts
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.identity import digest
from exchange.model.view import NO_HEAD, chain
from tests.builders import COAST, DESK, NOW, WATCH, border, unpadded, world
from tests.evidence import made
from tests.evidence.forging import Forger, facts, holding, listed_anew
from tests.node.vouching import LOG, SIGNERS, signer
from tests.peers.javascript import needs_packages

pytestmark = needs_packages


@pytest.fixture
def forger():
    return Forger(made.cosigned().package())


def said(verdict, forger, **changes):
    return verdict(forger.made(**changes), made.cosigned().anchor)


def test_what_is_not_changed_holds_under_a_new_root(forger, verdict):
    # The forger signs as node and witnesses do: it is only what they say that is checked.
    assert said(verdict, forger) == "holds"


def sealed():
    return made.cosigned().sealed


def without_receipt(forger):
    """Of an entry that was changed there is no receipt."""
    forger.receipt = None
    return forger


@pytest.mark.parametrize(
    ("signers", "step"),
    [
        ([LOG[0], *SIGNERS.values()], "checkpoint"),
        ([LOG[1], *SIGNERS.values()], "checkpoint"),
        ([*SIGNERS.values()], "checkpoint"),
        ([*LOG], "cosignatures"),
        ([*LOG, SIGNERS["w1"]], "cosignatures"),
        ([*LOG, SIGNERS["w1"], signer("w3")], "cosignatures"),
    ],
    ids=["half", "other half", "not at all", "no witness", "one witness", "a stranger"],
)
def test_root_that_was_not_signed_by_all_who_must_is_found(signers, step, forger, verdict):
    forger.signers = signers
    assert said(verdict, forger) == step


def test_cosignature_of_another_root_is_found(forger, verdict):
    found = archive.unpack(forger.made())
    name = "pa/checkpoint.txt"
    before = forger.parts[name].decode().splitlines()
    now = found[name].decode().splitlines()
    for place, step in ((-1, "cosignatures"), (-2, "cosignatures"), (-3, "checkpoint")):
        swapped = now.copy()
        swapped[place] = before[place]
        raw = listed_anew({**found, name: ("\n".join(swapped) + "\n").encode()})
        assert verdict(raw, made.cosigned().anchor) == step


def test_entry_put_before_the_first_root_makes_nobody_elses_root_the_first(forger, verdict):
    """Whoever names the custodians' digest in front has not their signatures."""
    theirs = digest(b"the root that the custodians read aloud")
    old = forger.trust
    front = msgspec.structs.replace(old[0], index=0)
    new = [
        facts(
            front,
            name="timestamp",
            version=1,
            position=0,
            view=-1,
            document={"digest": theirs, "size": 1},
        )
    ]
    for each in old:
        new.append(facts(each, position=len(new), view=new[-1].index))
    forger.trust = new
    heads = [NO_HEAD]
    for each in new:
        told = msgspec.json.decode(each.entry.split("\n")[0])
        heads.append(chain(heads[-1], told["document"]["digest"]))
    before = sum(each.index < forger.entry.index for each in new)
    header = world().header()
    point = msgspec.structs.replace(header.trust, position=before, head=heads[before])
    sealed_anew = world().envelope(trust=point)
    forger.entry = holding(forger.shown.entry, sealed_anew.header)
    forger.parts[parts.HEADER] = sealed_anew.header
    named = msgspec.json.decode(unpadded(msgspec.json.decode(sealed_anew.header)["payload"]))
    forger.acks, forger.receipt = [], None
    keys = msgspec.json.decode(forger.parts["keys.json"])
    raw = forger.made(endpoint=named["endpoint"], id=named["id"], anchor=theirs)
    found = archive.unpack(raw)
    kept = [each for each in keys if each[1] in ("pa log", named["endpoint"])]
    raw = listed_anew({**found, "keys.json": msgspec.json.encode(kept)})
    assert verdict(raw, theirs) == "directory"


def test_trust_entry_that_is_left_out_is_found(forger, verdict):
    for place in range(1, len(forger.shown.trust)):
        forger.trust = [each for at, each in enumerate(forger.shown.trust) if at != place]
        assert said(verdict, forger) == "directory"
    forger.trust = forger.shown.trust[1:]
    assert said(verdict, forger) == "anchor"


def test_trust_entry_left_out_with_those_after_it_moved_up_is_found(forger, verdict):
    first, second, third, *_ = forger.shown.trust
    moved = facts(third, position=1, view=first.index)
    forger.trust = [first, moved]
    forger.documents = [forger.documents[0], forger.documents[2]]
    assert second.index != third.index
    # `pa` cannot be signed for before `targets` says by whom.
    assert said(verdict, without_receipt(forger)) == "directory"


def test_document_that_is_left_out_or_out_of_its_place_is_found(forger, verdict):
    documents = forger.documents
    for changed in (documents[1:], documents[:-1], documents[::-1], [*documents, documents[0]]):
        forger.documents = changed
        assert said(verdict, forger) == "directory"


def test_document_that_one_nation_signed_is_found(forger, verdict):
    """A directory in which keys were put by custodians of one nation, and no others."""
    last = forger.trust[-1]
    for raw in (
        world().signed(world().root(), ["pa"]),
        border().signed(border().root()),
    ):
        named = {"digest": digest(raw), "size": len(raw)}
        at = next(
            place
            for place, each in enumerate(forger.shown.trust)
            if '"name":"root"' in each.entry and place
        )
        forger.trust = list(forger.shown.trust)
        forger.trust[at] = facts(forger.trust[at], document=named)
        forger.documents = list(forger.shown.documents)
        place = [d for d, each in enumerate(forger.documents) if '"_type":"root"' in each][-1]
        forger.documents[place] = raw.decode()
        assert said(verdict, without_receipt(forger)) == "directory"
    assert last.index


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "acknowledged"},
        {"digest": NO_HEAD},
        {"view": 0},
    ],
    ids=str,
)
def test_entry_that_says_other_than_its_header_is_found(changed, forger, verdict):
    forger.entry = facts(forger.shown.entry, **changed)
    assert said(verdict, without_receipt(forger)) == "originator"


def bulletin(forger, envelope):
    """Have the journal say that it took in another bulletin in this one's place."""
    forger.entry = holding(forger.shown.entry, envelope.header)
    forger.parts[parts.HEADER] = envelope.header
    forger.acks = []
    signed = msgspec.json.decode(envelope.header)
    told = msgspec.json.decode(unpadded(signed["payload"]))
    return {"endpoint": told["endpoint"], "id": told["id"]}


def test_header_that_its_originator_did_not_sign_is_found(forger, verdict):
    by_another = world().envelope(signer=world().signers[WATCH])
    changes = bulletin(without_receipt(forger), by_another)
    assert said(verdict, forger, **changes) == "originator"
    good = world().envelope()
    # Keys are listed by what is used: here it is the same ones, but for those who acknowledged.
    assert said(verdict, forger, **bulletin(forger, good)) == "keys"


def test_header_that_had_read_another_directory_is_found(forger, verdict):
    trust = msgspec.structs.replace(world().header().trust, head=NO_HEAD)
    changes = bulletin(without_receipt(forger), world().envelope(trust=trust))
    assert said(verdict, forger, **changes) == "originator"


def test_header_signed_by_keys_that_are_not_valid_yet_or_no_more_is_found(forger, verdict):
    for taken_ms in (0, (NOW + 10 * 365 * 86400) * 1000):
        forger.entry = facts(forger.shown.entry, taken_ms=taken_ms)
        assert said(verdict, without_receipt(forger)) == "originator"


def test_package_that_says_that_it_is_of_another_bulletin_is_found(forger, verdict):
    assert said(verdict, forger, endpoint="pa.senan/desk") == "originator"
    told = msgspec.json.decode(forger.parts[parts.MANIFEST])["id"]
    other = told[:-1] + ("1" if told[-1] == "0" else "0")
    assert said(verdict, forger, id=other) == "originator"


def test_text_that_is_no_text_is_what_was_sealed_all_the_same(forger, verdict):
    odd = world().envelope(text=b"\xff\xfe TEST")
    changes = bulletin(without_receipt(forger), odd)
    told = made.opened(world(), odd, WATCH)
    forger.parts = {
        name: each
        for found, data in forger.parts.items()
        for name, each in (
            [(found, data), (parts.SALT, told.salt), (parts.BODY, told.padded)]
            if found == parts.HEADER
            else [(found, data)]
        )
    }
    assert said(verdict, forger, **changes) == "keys", "of whoever acknowledged the other one"


def payload(signed):
    return unpadded(msgspec.json.decode(signed)["payload"]).decode()


_HEADER = payload(world().envelope().header)


def without(told, member):
    said = msgspec.json.decode(told)
    del said[member]
    return msgspec.json.encode(said).decode()


@pytest.mark.parametrize(
    ("changed", "step"),
    [
        (_HEADER, "keys"),
        (_HEADER.replace('":', '": '), "keys"),
        (_HEADER.replace('"status":"exercise"', '"status":"unheard"'), "originator"),
        (_HEADER.replace('"to":["', '"to":["us.jiatfs/desk","us.jiatfs/desk","'), "originator"),
        (_HEADER.replace('"issued":', '"issued":1.0,"x":'), "originator"),
        (_HEADER.replace('"position":', '"position":-'), "originator"),
        (_HEADER[:-1] + ',"type":"sit"}', "originator"),
        (without(_HEADER, "feed"), "originator"),
        (without(_HEADER, "feed")[:-1] + ',"feed":"maritime\\n"}', "originator"),
        (" " + _HEADER, "originator"),
    ],
    ids=range(10),
)
def test_header_of_no_form_that_there_is_is_found(changed, step, forger, verdict):
    """Its author and the node can agree on anything: three verifiers do not."""
    named = msgspec.json.decode(changed)
    signed = world().sign(changed.encode(), headers.TYP, named["endpoint"])
    forger.entry = holding(without_receipt(forger).entry, signed)
    forger.parts[parts.HEADER], forger.acks = signed, []
    told = {"endpoint": named["endpoint"], "id": named["id"]}
    assert said(verdict, forger, **told) == step


def test_acknowledgement_of_no_form_that_there_is_is_found(forger, verdict):
    first, *rest = forger.shown.acknowledgements
    told = payload(first.entry.rpartition("\n")[2])
    for changed in (told[:-1] + ',"x":1}', told[:-1] + ',"at":1}'):
        signed = world().sign(changed.encode(), objects.ACK_TYP, WATCH)
        forger.acks = [holding(first, signed), *rest]
        assert said(verdict, forger) == "acknowledgements", changed


def test_acknowledgement_of_another_bulletin_or_by_another_is_found(forger, verdict):
    first, *rest = forger.shown.acknowledgements
    for changed in (
        holding(first, world().ack(world().envelope(), WATCH)),
        facts(first, of=0),
        facts(first, digest=NO_HEAD),
        facts(first, kind="granted"),
        holding(first, world().ack(sealed(), WATCH, endpoint=COAST, origin="us.uscg")),
        facts(first, taken_ms=0),
        facts(first, view=0),
        # Active, and not among those it was sent to.
        holding(first, world().ack(sealed(), DESK)),
    ):
        forger.acks = [changed, *rest]
        assert said(verdict, forger) == "acknowledgements", changed.entry[:200]


def test_acknowledgement_that_stands_twice_or_out_of_its_place_is_found(forger, verdict):
    first, second = forger.shown.acknowledgements
    for changed in ([first, first, second], [second, first]):
        forger.acks = changed
        assert said(verdict, forger) == "acknowledgements"


def test_receipt_of_another_entry_or_node_is_found(forger, verdict):
    whole = msgspec.json.decode(forger.shown.receipt)
    path = whole["path"]
    for changed in (
        {"index": whole["index"] + 1},
        {"node": "us"},
        {"facts": whole["facts"].replace("accepted", "refused")},
        {"path": [*path, NO_HEAD]},
        {"path": path[:-1]} if path else {"path": [NO_HEAD]},
        {"group": {**whole["group"], "signatures": whole["group"]["signatures"][:1]}},
        {"group": {**whole["group"], "signatures": whole["group"]["signatures"][::-1]}},
    ):
        forger.receipt = msgspec.json.encode({**whole, **changed})
        assert said(verdict, forger) == "receipt", changed


def test_keys_that_are_not_those_used_are_found(forger, verdict):
    listed = msgspec.json.decode(forger.parts[parts.KEYS])
    for changed in (
        listed[1:],
        listed[::-1],
        [[kid, "pa.senan/ops", key] for kid, _, key in listed],
    ):
        forger.parts[parts.KEYS] = msgspec.json.encode(changed)
        assert said(verdict, forger) == "keys"


def test_proof_from_another_log_is_found(forger, verdict):
    forger.origin = "exchange/us"
    assert said(verdict, forger) == "inclusion"
