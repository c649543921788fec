"""Cases of envelope.md, "Checking", steps 2 to 4: suite, keys, signatures, blobs and wraps."""

from __future__ import annotations

from exchange.errors import Code
from exchange.model.header import Blob
from exchange.model.objects import ACK_TYP
from tests.builders import (
    COAST,
    DESK,
    NOW,
    OPS,
    WATCH,
    suspended,
)
from tests.vectors import forging
from tests.vectors.case import Case, Posted
from tests.vectors.changes import (
    crossed,
    flip,
    flip_signature,
    keys_from,
    kid_of,
    other_typ,
    outer,
    protecting,
    sealed_to,
    signed_by,
    swapped,
    tampered,
    under,
    wraps_as,
)
from tests.vectors.forging import BOTH, payload_of, signed

# Uploaded, in the cases that say so.
FILE = Blob("F" * 42 + "A", 1_000)
FILES = [FILE, Blob("G" * 42 + "A", 2_000)]

SUITE = [
    Case(
        "suite-not-agreed",
        "a suite that the arrangement no longer names",
        Code.SUITE_NOT_ALLOWED,
        "/suite",
        under(lambda world: world.rearranged(suites=[])),
    ),
    Case(
        "unknown-author",
        "an endpoint that is in no directory",
        Code.UNKNOWN_ENDPOINT,
        "/endpoint",
        lambda world: world.envelope(
            world.header(endpoint="pa.senan/nadie"), signer=world.signers[OPS]
        ),
    ),
    Case(
        "suspended-author",
        "a suspended endpoint",
        Code.ENDPOINT_SUSPENDED,
        "/endpoint",
        under(lambda world: world.amended(OPS, suspended)),
    ),
    Case(
        "other-origin",
        "another member's name over one's own endpoint",
        Code.ORIGIN_MISMATCH,
        "/origin",
        lambda world: world.envelope(origin="us.jiatfs"),
    ),
    Case(
        "other-caller",
        "another endpoint posts it",
        Code.NOT_YOURS,
        "/endpoint",
        lambda world: world.arrival(world.envelope(), caller=DESK),
    ),
    Case(
        "acknowledgement-of-other-caller",
        "another endpoint posts an acknowledgement",
        Code.NOT_YOURS,
        "/endpoint",
        lambda world: world.arrival(world.ack(world.envelope()), caller=COAST),
    ),
    Case(
        "signature-stripped",
        "the post-quantum signature left out: stock libraries accept that",
        Code.SIGNATURE_COUNT,
        "/signatures",
        outer(lambda told: told["signatures"].pop()),
    ),
    Case(
        "classical-signature-stripped",
        "the classical signature left out",
        Code.SIGNATURE_COUNT,
        "/signatures",
        outer(lambda told: told["signatures"].pop(0)),
    ),
    Case(
        "signature-doubled",
        "every signature twice",
        Code.SIGNATURE_COUNT,
        "/signatures",
        signed_by(*BOTH, *BOTH),
    ),
    Case(
        "signature-added",
        "another endpoint's signature beside the author's",
        Code.SIGNATURE_COUNT,
        "/signatures",
        signed_by(*BOTH, (DESK, 0)),
    ),
    Case(
        "no-signature",
        "an empty list of signatures",
        Code.SIGNATURE_COUNT,
        "/signatures",
        outer(lambda told: told["signatures"].clear()),
    ),
    Case(
        "many-signatures",
        "sixty-five signatures",
        Code.SIGNATURE_COUNT,
        "/signatures",
        outer(
            lambda told: told["signatures"].extend(
                [{"protected": "e30", "signature": ""} for _ in range(63)]
            )
        ),
    ),
    Case(
        "signatures-reordered",
        "both signatures, in the other order",
        Code.SIGNATURE_ORDER,
        "/signatures/0",
        signed_by((OPS, 1), (OPS, 0)),
    ),
    Case(
        "classical-twice",
        "the classical signature in both places",
        Code.SIGNATURE_ORDER,
        "/signatures/1",
        signed_by((OPS, 0), (OPS, 0)),
    ),
    Case(
        "algorithm-none",
        "the algorithm none",
        Code.SIGNATURE_ORDER,
        "/signatures/0",
        protecting(lambda told: {**told, "alg": "none"}),
    ),
]

KEYS = [
    Case(
        "kid-of-nobody",
        "a thumbprint of no key",
        Code.UNKNOWN_KEY,
        "/signatures/0",
        protecting(lambda told: {**told, "kid": "A" * 43}),
    ),
    Case(
        "kid-of-another-endpoint",
        "signed well, by another endpoint of the same member",
        Code.UNKNOWN_KEY,
        "/signatures/0",
        signed_by((DESK, 0), (DESK, 1)),
    ),
    Case(
        "one-kid-of-another-endpoint",
        "the second signature by another endpoint",
        Code.UNKNOWN_KEY,
        "/signatures/1",
        signed_by((OPS, 0), (DESK, 1)),
    ),
    Case(
        "kid-of-an-encryption-key",
        "the author's own encryption key",
        Code.KEY_NOT_VALID,
        "/signatures/0",
        signed_by(*BOTH, told=kid_of(OPS, "enc")),
    ),
    Case(
        "algorithm-of-another-key",
        "the right algorithms in order, each with the other key's thumbprint",
        Code.KEY_NOT_VALID,
        "/signatures/0",
        signed_by(*BOTH, told=crossed),
    ),
    Case(
        "key-expired",
        "a classical key in the first second after its time",
        Code.KEY_NOT_VALID,
        "/signatures/0",
        under(lambda world: world.amended(OPS, keys_from("sig", 0, 0, NOW))),
    ),
    Case(
        "post-quantum-key-expired",
        "a post-quantum key in the first second after its time",
        Code.KEY_NOT_VALID,
        "/signatures/1",
        under(lambda world: world.amended(OPS, keys_from("sig", 1, 0, NOW))),
    ),
    Case(
        "key-not-yet-valid",
        "a key one second before its time",
        Code.KEY_NOT_VALID,
        "/signatures/0",
        under(lambda world: world.amended(OPS, keys_from("sig", 0, NOW + 1, NOW + 2))),
    ),
    Case(
        "payload-tampered",
        "another precedence than was signed",
        Code.BAD_SIGNATURE,
        "/signatures/0",
        tampered,
    ),
    Case(
        "classical-signature-wrong",
        "one bit of the classical signature",
        Code.BAD_SIGNATURE,
        "/signatures/0",
        outer(flip_signature(0)),
    ),
    Case(
        "post-quantum-signature-wrong",
        "one bit of the post-quantum signature",
        Code.BAD_SIGNATURE,
        "/signatures/1",
        outer(flip_signature(1)),
    ),
    Case(
        "signature-empty",
        "signatures of no bytes",
        Code.BAD_SIGNATURE,
        "/signatures/0",
        outer(lambda told: [each.update(signature="") for each in told["signatures"]]),
    ),
    Case(
        "typ-swapped",
        "signatures made over another typ",
        Code.BAD_SIGNATURE,
        "/signatures/0",
        other_typ,
    ),
    Case(
        "acknowledgement-forged",
        "an acknowledgement signed by another endpoint",
        Code.UNKNOWN_KEY,
        "/signatures/0",
        lambda world: world.arrival(
            signed(
                world,
                payload_of(world.ack(world.envelope())),
                ((COAST, 0), (COAST, 1)),
                typ=ACK_TYP,
            )
        ),
    ),
]

BODY = [
    Case(
        "body-longer",
        "a body with a blank more than the header says",
        Code.SIZE_MISMATCH,
        "/body/size",
        swapped(lambda raw: raw.replace(b',"aad"', b', "aad"')),
    ),
    Case(
        "body-of-other-digest",
        "another body of the same size",
        Code.DIGEST_MISMATCH,
        "/body/digest",
        swapped(
            lambda raw: forging.altered(
                raw, lambda told: told.update(ciphertext=flip(told["ciphertext"]))
            )
        ),
    ),
    Case(
        "recipient-not-sealed-to",
        "a recipient in to who was given no key",
        Code.WRAPS_MISMATCH,
        "/to/1",
        sealed_to(WATCH),
    ),
    Case(
        "sealed-to-one-more",
        "a key wrapped to somebody who is not in to",
        Code.WRAPS_MISMATCH,
        "/body/recipients",
        sealed_to(WATCH, COAST, "us.jiatfs/desk"),
    ),
    Case(
        "sealed-to-another",
        "a key wrapped to somebody else",
        Code.WRAPS_MISMATCH,
        "/to/1",
        sealed_to(WATCH, "us.jiatfs/desk"),
    ),
    Case(
        "sealed-twice-to-one",
        "two keys wrapped to one recipient",
        Code.WRAPS_MISMATCH,
        "/body/recipients",
        wraps_as(lambda told: told.append(told[0])),
    ),
    Case(
        "sealed-to-nobody",
        "no wrapped key",
        Code.WRAPS_MISMATCH,
        "/body/recipients",
        wraps_as(lambda told: told.clear()),
    ),
    Case(
        "recipient-key-expired",
        "a key wrapped to a recipient's key in the first second after its time",
        Code.RECIPIENT_KEY_UNFIT,
        "/to/1",
        under(lambda world: world.amended(COAST, keys_from("enc", 0, 0, NOW))),
    ),
    Case(
        "recipient-key-not-yet-valid",
        "a key wrapped to a recipient's key one second before its time",
        Code.RECIPIENT_KEY_UNFIT,
        "/to/1",
        under(lambda world: world.amended(COAST, keys_from("enc", 0, NOW + 1, NOW + 2))),
    ),
    Case(
        "attachment",
        "an attachment that was not uploaded",
        Code.MISSING_BLOB,
        "/attachments/0",
        lambda world: world.envelope(attachments=[Blob("A" * 43, 1)]),
    ),
    Case(
        "attachment-of-another-size",
        "an attachment that was uploaded, named with one byte more than it has",
        Code.MISSING_BLOB,
        "/attachments/1",
        lambda world: Posted(
            world.arrival(world.envelope(attachments=[FILE, Blob(FILE.digest, FILE.size + 1)])),
            held=(FILE,),
        ),
    ),
]
