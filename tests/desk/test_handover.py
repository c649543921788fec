"""The watch is handed over: signed by who leaves, accepted by who comes, and kept sealed."""

from __future__ import annotations

from contextlib import closing

import msgspec
import pytest

from exchange.desk import handover
from exchange.desk.handover import Handover, Handovers, Kept, Open
from exchange.errors import Code, Refusal
from exchange.model import objects
from exchange.seal import jws
from tests.builders import NOW, OPS, WATCH, world
from tests.client.dealing import cabinet

WORLD = world()


def made(**changes):
    usual = Handover(
        v="xb1",
        endpoint=WATCH,
        officer="watch-1",
        at=NOW,
        held=12,
        newest=40,
        proven=True,
        open=[Open("flash", "0192f3a0-0000-7000-8000-000000000001", 39, "A" * 43, NOW + 600)],
    )
    return msgspec.structs.replace(usual, **changes)


def signed(**changes):
    return handover.sign(made(**changes), WORLD.signers[WATCH])


def accepted(raw, officer="watch-2"):
    return handover.accept(raw, officer, NOW + 60, WORLD.signers[WATCH])


def read(kept):
    return handover.read(kept, WORLD.view.standing(WATCH))


def refused(kept):
    with pytest.raises(Refusal) as caught:
        read(kept)
    return caught.value.code


def test_watch_is_handed_over_and_accepted():
    raw = signed(remarks="EXERCISE: ask us.uscg for the second sighting")
    said, taken = read(Kept(raw, accepted(raw)))
    assert said == made(remarks="EXERCISE: ask us.uscg for the second sighting")
    assert taken is not None
    assert (taken.officer, taken.at) == ("watch-2", NOW + 60)


def test_handover_waits_until_somebody_accepts_it():
    assert read(Kept(signed())) == (made(), None)


def test_who_leaves_cannot_accept():
    with pytest.raises(Refusal) as caught:
        accepted(signed(), "watch-1")
    assert caught.value.at == "/officer"


def test_acceptance_of_one_is_not_of_another():
    other = signed(at=NOW + 1)
    assert refused(Kept(signed(), accepted(other))) is Code.WRONG_VALUE


def test_another_endpoint_hands_nothing_over_here():
    raw = handover.sign(made(endpoint=OPS), WORLD.signers[OPS])
    assert refused(Kept(raw)) is Code.WRONG_VALUE


def test_its_signature_is_its_endpoints():
    raw = handover.sign(made(), WORLD.signers[OPS])
    assert refused(Kept(raw)) is Code.UNKNOWN_KEY


def test_nothing_else_that_was_signed_is_taken_for_one():
    payload = msgspec.json.encode(made())
    raw = jws.sign(payload, objects.ACK_TYP, [WORLD.signers[WATCH]])
    assert refused(Kept(raw)) is Code.UNKNOWN_OBJECT


@pytest.mark.parametrize("place", range(5, 4000, 401))
def test_changed_byte_is_found(place):
    raw = bytearray(signed())
    raw[place] ^= 1
    with pytest.raises(Refusal):
        read(Kept(bytes(raw)))


def test_handovers_are_kept_sealed_and_in_order(tmp_path):
    first, second = signed(), signed(at=NOW + 1)
    with closing(cabinet(tmp_path / "mail")) as opened:
        box = Handovers(opened)
        name = box.keep(first)
        box.keep(second)
        box.keep(first, accepted(first))
        assert [each.handover for each in box.every()] == [first, second]
        found = box.get(name)
        assert found is not None
        assert read(found)[1] is not None
        assert box.get("B" * 43) is None
    on_disk = b"".join(file.read_bytes() for file in (tmp_path / "mail").iterdir())
    assert b"watch-1" not in on_disk
    assert b"eyJ2Ijoi" not in on_disk  # how the payload begins in base64url
