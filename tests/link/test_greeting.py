"""A node proves which one it is; strangers, however many, keep it from nothing."""

from __future__ import annotations

import msgspec
import pytest

from exchange.errors import Code, Refusal
from exchange.link import greeting
from exchange.link.greeting import NONCE_LIFETIME_S, Greeter
from exchange.model import peers
from exchange.seal import jws
from exchange.seal.software import SoftwareSigner
from tests.builders import NOW, Randomness, border


@pytest.fixture
def greeter():
    return Greeter("pa", Randomness("greet"))


def _asked(nonce, **changes):
    signer = SoftwareSigner("xb1-h", border().nodes["us"].of("sign"))
    asked = peers.PeerRequest("xb1", signer.suite, "us", "pa", nonce, NOW)
    made = msgspec.json.encode(msgspec.structs.replace(asked, **changes))
    return jws.sign(made, peers.TYP, [signer])


def _refused(greeter, raw, now=NOW):
    with pytest.raises(Refusal) as caught:
        greeter.open(raw, border().view, now)
    assert (caught.value.code, caught.value.at) == (Code.BAD_SESSION, "")
    return True


def test_a_nonce_holds_however_many_strangers_ask_for_one(greeter):
    mine = greeter.nonce(NOW)
    for _ in range(1000):
        greeter.nonce(NOW)
    assert greeter.open(_asked(mine), border().view, NOW)


def test_a_nonce_is_good_once_in_time_and_only_from_this_node(greeter):
    mine = greeter.nonce(NOW)
    assert greeter.open(_asked(mine), border().view, NOW)
    assert _refused(greeter, _asked(mine))
    late = NOW + NONCE_LIFETIME_S
    assert _refused(greeter, _asked(greeter.nonce(NOW), issued=late), late)
    assert _refused(greeter, _asked(Greeter("pa", Randomness("other")).nonce(NOW)))
    until, rest = greeter.nonce(NOW).split(".", 1)
    assert _refused(greeter, _asked(f"{int(until) + 9}.{rest}"))


def test_without_a_nonce_of_ours_no_signature_is_looked_at(greeter, monkeypatch):
    monkeypatch.setattr(greeting, "_proven", None)
    assert _refused(greeter, _asked("9999999999.x.y"))
    assert _refused(greeter, _asked(greeter.nonce(NOW), to="us"))


def test_what_a_stranger_signs_uses_no_nonce_up(greeter):
    mine = greeter.nonce(NOW)
    assert _refused(greeter, _asked(mine, node="other"))
    assert greeter.open(_asked(mine), border().view, NOW)
