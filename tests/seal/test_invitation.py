"""A link says one thing to one machine; custodians ask for two persons before they list it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import Code, Refusal
from exchange.model.codec import b64
from exchange.seal import invitation, jws
from tests import builders, enrolled
from tests.builders import NOW, new_id

BEFORE = builders.world()
WORLD = BEFORE.after(enrolled.second_operator(BEFORE))
INVITED = enrolled.invited(WORLD)
LINK = enrolled.link(WORLD, INVITED)
ASKED = enrolled.asked(WORLD, INVITED)
APPROVED = enrolled.ruled(WORLD, ASKED)


def test_a_link_reads_back_and_fits_a_qr_code() -> None:
    text = invitation.write(LINK)
    assert invitation.read(f"  {text}\n") == LINK
    # At the lowest correction a QR code of version 20, 97 modules wide, holds as many.
    assert len(text) < 500
    assert text.replace("-", "").replace("_", "").replace(".", "").isalnum()


@pytest.mark.parametrize("place", range(0, len(invitation.write(LINK)), 7))
def test_a_link_with_another_character_is_none(place: int) -> None:
    text = invitation.write(LINK)
    other = "A" if text[place] != "A" else "B"
    with pytest.raises(Refusal) as found:
        invitation.read(text[:place] + other + text[place + 1 :])
    assert found.value.code == Code.BAD_INVITATION


@given(st.one_of(st.text(max_size=80), st.binary(max_size=80).map(b64)))
def test_any_text_is_a_link_or_refused(text: str) -> None:
    for tried in (text, f"xb1-invite.{text}", f"xb1-invite.{text}.{text[:6]}"):
        with pytest.raises(Refusal) as found:
            invitation.read(tried)
        assert found.value.code == Code.BAD_INVITATION


@pytest.mark.parametrize("name", ["invitation", "secret", "tls", "anchor"])
def test_a_link_with_a_short_part_is_none(name: str) -> None:
    link, short = LINK, b"short"
    if name in ("tls", "anchor"):
        link = msgspec.structs.replace(
            link, bound=msgspec.structs.replace(link.bound, **{name: short})
        )
    else:
        link = msgspec.structs.replace(link, **{name: short})
    with pytest.raises(Refusal):
        invitation.read(invitation.write(link))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("endpoint", "pa.senan/x\x1b[8m"),
        ("endpoint", "pa.senan/x\n"),
        ("endpoint", ".."),
        ("endpoint", "pa.senan/../x"),
        ("node", "pa\x1b[2J"),
        ("node", "pa\n"),
        ("url", "https://localhost:8443/\x1b[1A"),
        ("url", "https://localhost:8443\n"),
        ("url", "https://localhost:8443/\N{RIGHT-TO-LEFT OVERRIDE}"),
        ("url", "https://" + "h" * 300),
        ("until", -(10**14)),
        ("until", 10**14),
        ("until", 10**19 - 1),
    ],
)
def test_a_link_that_writes_over_a_terminal_or_names_no_time_is_none(
    name: str, value: object
) -> None:
    bound = msgspec.structs.replace(LINK.bound, **{name: value})
    text = invitation.write(msgspec.structs.replace(LINK, bound=bound))
    with pytest.raises(Refusal) as found:
        invitation.read(text)
    assert found.value.code == Code.BAD_INVITATION


CHANGES: dict[str, Any] = {
    "endpoint": "pa.senan/other",
    "suite": "xb1-c",
    "node": "us",
    "url": "https://localhost:1",
    "tls": bytes(32),
    "anchor": bytes(32),
    "until": NOW + 1,
}


def test_every_part_of_a_link_is_in_its_proof() -> None:
    assert set(CHANGES) == set(LINK.bound.__struct_fields__)
    proofs = {LINK.shown.proof, invitation.proof(LINK.bound, bytes(32))}
    for name, value in CHANGES.items():
        changed = msgspec.structs.replace(LINK.bound, **{name: value})
        proofs.add(invitation.proof(changed, LINK.secret))
    assert len(proofs) == len(CHANGES) + 2


def test_a_secret_is_its_invitation_s_and_its_inviter_s() -> None:
    one, other = new_id(), new_id()
    made = {
        invitation.secret_of(key * 32, each) for key in (b"a", b"b") for each in (one, other)
    }
    assert len(made) == 4


def test_nothing_that_is_posted_holds_the_secret() -> None:
    for spelt in (LINK.secret, b64(LINK.secret).encode(), LINK.secret.hex().encode()):
        for raw in (INVITED, ASKED, APPROVED):
            assert spelt not in raw + jws.read(raw, 1 << 20).payload
