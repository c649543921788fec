"""Cases of envelope.md, "Checking", step 1: sizes and the strict parse."""

from __future__ import annotations

from exchange.errors import Code
from exchange.model.objects import ACK_TYP
from tests.builders import (
    COAST,
    OPS,
    WATCH,
)
from tests.vectors import forging
from tests.vectors.case import Case
from tests.vectors.changes import (
    bytewise,
    first_signature,
    in_body,
    in_wrap,
    nested,
    outer,
    protecting,
    resigned,
    sealed_as,
    sealed_bytes,
    with_members,
    without,
    wraps_as,
)
from tests.vectors.forging import compact

READING = [
    Case("empty", "nothing at all", Code.MALFORMED, "", bytewise(lambda _: b"")),
    Case(
        "truncated", "half an object", Code.MALFORMED, "", bytewise(lambda r: r[: len(r) // 2])
    ),
    Case(
        "trailing-bytes",
        "an object and a brace",
        Code.MALFORMED,
        "",
        bytewise(lambda r: r + b"}"),
    ),
    Case(
        "leading-space", "white space before", Code.MALFORMED, "", bytewise(lambda r: b" " + r)
    ),
    Case(
        "an-array",
        "JSON, but no object",
        Code.MALFORMED,
        "",
        bytewise(lambda r: b"[" + r + b"]"),
    ),
    Case(
        "line-feed",
        "a line feed between members: it would split the entry",
        Code.MALFORMED,
        "",
        bytewise(lambda r: nested(r, b',"signatures"', b',\n"signatures"')),
    ),
    Case(
        "escaped-name",
        "a backslash: names have one spelling",
        Code.MALFORMED,
        "",
        bytewise(lambda r: nested(r, b'"payload"', b'"p\\u0061yload"')),
    ),
    Case(
        "duplicate-payload",
        "a member twice in the signed object; many parsers keep the last",
        Code.DUPLICATE_MEMBER,
        "",
        bytewise(lambda r: nested(r, b'{"payload"', b'{"payload":"e30","payload"')),
    ),
    Case(
        "duplicate-in-signature",
        "a member twice in one signature",
        Code.DUPLICATE_MEMBER,
        "",
        bytewise(lambda r: nested(r, b'{"protected"', b'{"protected":"e30","protected"')),
    ),
    Case(
        "spaced",
        "white space between members: the same signatures, another digest",
        Code.MALFORMED,
        "",
        bytewise(lambda r: nested(r, b',"signatures"', b', "signatures"')),
    ),
    Case(
        "signatures-first",
        "the members in another order: the same signatures, another digest",
        Code.MALFORMED,
        "",
        outer(lambda told: told.update(payload=told.pop("payload"))),
    ),
    Case(
        "signature-first",
        "the members of a signature in another order",
        Code.MALFORMED,
        "",
        outer(
            lambda told: told["signatures"][1].update(
                protected=told["signatures"][1].pop("protected")
            )
        ),
    ),
    Case(
        "duplicate-in-protected",
        "a member twice in a protected header, and signed so",
        Code.DUPLICATE_MEMBER,
        "/signatures/0/protected",
        protecting(lambda told: compact(told).replace(b'{"alg"', b'{"alg":"none","alg"')),
    ),
    Case(
        "duplicate-in-header",
        "a member twice in the header, and signed so",
        Code.DUPLICATE_MEMBER,
        "",
        resigned(lambda r: nested(r, b'{"v"', b'{"precedence":"flash","v"')),
    ),
    Case(
        "duplicate-nested",
        "a member twice inside the marking",
        Code.DUPLICATE_MEMBER,
        "",
        resigned(lambda r: nested(r, b'{"tlp"', b'{"tlp":"clear","tlp"')),
    ),
    Case(
        "duplicate-in-body",
        "a member twice in the sealed body",
        Code.DUPLICATE_MEMBER,
        "/body",
        sealed_bytes(lambda r: nested(r, b'{"protected"', b'{"tag":"","protected"')),
    ),
    Case(
        "duplicate-in-wrap",
        "a member twice in one recipient of the body",
        Code.DUPLICATE_MEMBER,
        "/body",
        sealed_bytes(lambda r: nested(r, b'{"alg"', b'{"alg":"none","alg"')),
    ),
    Case(
        "unknown-outer",
        "an unprotected header beside the payload",
        Code.UNKNOWN_MEMBER,
        "",
        outer(lambda told: told.update(header={})),
    ),
    Case(
        "unknown-in-signature",
        "an unprotected header in a signature",
        Code.UNKNOWN_MEMBER,
        "/signatures/0",
        outer(first_signature(header={"kid": "x"})),
    ),
    Case(
        "unknown-in-protected",
        "a critical extension in a protected header",
        Code.UNKNOWN_MEMBER,
        "/signatures/0/protected",
        protecting(lambda told: {**told, "crit": []}),
    ),
    Case(
        "unknown-in-header",
        "an unknown member",
        Code.UNKNOWN_MEMBER,
        "",
        with_members(title="x"),
    ),
    Case(
        "unknown-that-spells-a-place",
        "a member whose name pretends to be a place: nothing of it is journaled",
        Code.UNKNOWN_MEMBER,
        "",
        with_members(**{"x` - at `$.secret": 1}),
    ),
    Case(
        "unknown-nested",
        "an unknown member inside the trust point",
        Code.UNKNOWN_MEMBER,
        "/trust",
        resigned(lambda r: forging.altered(r, lambda told: told["trust"].update(x=1))),
    ),
    Case(
        "zip-in-body",
        "compression, which the body has no place for",
        Code.UNKNOWN_MEMBER,
        "/body",
        sealed_as(lambda told: told.update(zip="DEF")),
    ),
    Case(
        "unknown-in-wrap",
        "an unknown member in a recipient of the body",
        Code.UNKNOWN_MEMBER,
        "/body/recipients/0/header",
        wraps_as(lambda told: told[0]["header"].update(epk={})),
    ),
    Case(
        "missing-payload",
        "no payload",
        Code.MISSING_MEMBER,
        "/payload",
        outer(lambda told: told.pop("payload")),
    ),
    Case(
        "missing-kid",
        "a protected header without kid",
        Code.MISSING_MEMBER,
        "/signatures/0/protected/kid",
        protecting(lambda told: {"alg": told["alg"], "typ": told["typ"]}),
    ),
    *(
        Case(f"missing-{name}", f"no {name}", Code.MISSING_MEMBER, f"/{name}", without(name))
        for name in ("due", "expires", "marking", "to")
    ),
    Case(
        "missing-tag",
        "a body without tag",
        Code.MISSING_MEMBER,
        "/body/tag",
        sealed_as(lambda told: told.pop("tag")),
    ),
    Case(
        "wrong-type-text",
        "a number as text",
        Code.WRONG_TYPE,
        "/issued",
        with_members(issued="1"),
    ),
    Case(
        "wrong-type-float", "a fraction", Code.WRONG_TYPE, "/expires", with_members(expires=1e9)
    ),
    Case("wrong-type-null", "null", Code.WRONG_TYPE, "/feed", with_members(feed=None)),
    Case(
        "wrong-type-bool",
        "true as a number",
        Code.WRONG_TYPE,
        "/issued",
        with_members(issued=True),
    ),
    Case(
        "depth-bomb",
        "brackets nested fifteen thousand deep",
        Code.WRONG_TYPE,
        "/to/0",
        resigned(lambda r: nested(r, b'"to":[', b'"to":[' + b"[" * 15_000)),
    ),
    Case("other-version", "an envelope xb2", Code.WRONG_VALUE, "/v", with_members(v="xb2")),
    Case(
        "other-suite", "a suite of no name", Code.WRONG_VALUE, "/suite", with_members(suite="x")
    ),
    Case("negative-time", "before 1970", Code.WRONG_VALUE, "/issued", with_members(issued=-1)),
    Case("no-recipient", "nobody in to", Code.WRONG_VALUE, "/to", with_members(to=[])),
    Case(
        "recipients-unsorted",
        "recipients in another order: a set has one spelling",
        Code.WRONG_VALUE,
        "/to",
        with_members(to=[COAST, WATCH]),
    ),
    Case(
        "recipient-twice",
        "the same recipient twice",
        Code.WRONG_VALUE,
        "/to",
        with_members(to=[WATCH, WATCH]),
    ),
    *(
        Case(f"unsorted-{name}", f"{name} unsorted", Code.WRONG_VALUE, at, with_members(**told))
        for name, at, told in (
            ("declares", "/declares", {"declares": ["persons", "must-purge"]}),
            (
                "releasable",
                "/marking/releasable_to",
                {
                    "marking": {
                        "tlp": "red",
                        "releasable_to": ["USA", "PAN"],
                        "handling": [],
                        "originator_control": False,
                    }
                },
            ),
            (
                "handling",
                "/marking/handling",
                {
                    "marking": {
                        "tlp": "red",
                        "releasable_to": ["PAN", "USA"],
                        "handling": ["h1", "h0"],
                        "originator_control": False,
                    }
                },
            ),
        )
    ),
    Case(
        "id-not-version-7",
        "a random UUID",
        Code.WRONG_VALUE,
        "/id",
        with_members(id="d4a8a0d4-6ac1-4c35-9d3c-1c5b6cf5b0ad"),
    ),
    Case(
        "padded-signature",
        "a signature with base64 padding: the same signature in other bytes",
        Code.BAD_BASE64,
        "/signatures/0/signature",
        outer(
            lambda t: t["signatures"][0].update(
                signature=t["signatures"][0]["signature"] + "=="
            )
        ),
    ),
    Case(
        "surplus-bits",
        "bits left over at the end of a signature, which lenient decoders ignore",
        Code.BAD_BASE64,
        "/signatures/0/signature",
        outer(
            lambda t: t["signatures"][0].update(
                signature=t["signatures"][0]["signature"][:-1]
                + chr(ord(t["signatures"][0]["signature"][-1]) + 1)
            )
        ),
    ),
    Case(
        "standard-alphabet",
        "the alphabet with plus and slash",
        Code.BAD_BASE64,
        "/signatures/1/signature",
        outer(
            lambda t: t["signatures"][1].update(
                signature=t["signatures"][1]["signature"].replace("-", "+").replace("_", "/")
            )
        ),
    ),
    Case(
        "white-space-in-payload",
        "a blank inside base64",
        Code.BAD_BASE64,
        "/payload",
        outer(lambda t: t.update(payload=t["payload"][:8] + " " + t["payload"][8:])),
    ),
    Case(
        "padded-protected",
        "a padded protected header",
        Code.BAD_BASE64,
        "/signatures/0/protected",
        outer(first_signature(protected="e30=")),
    ),
    *(
        Case(
            f"padded-{name}",
            f"base64 padding in the body's {name}",
            Code.BAD_BASE64,
            f"/body/{name}",
            in_body(name, lambda text: text + "="),
        )
        for name in ("iv", "tag", "aad", "ciphertext")
    ),
    *(
        Case(
            f"blank-in-{name}",
            f"a blank in a recipient's {name}",
            Code.BAD_BASE64,
            f"/body/recipients/1/{at}",
            in_wrap(1, name, "A A"),
        )
        for name, at in (
            ("kid", "header/kid"),
            ("ek", "header/ek"),
            ("encrypted_key", "encrypted_key"),
        )
    ),
    Case(
        "not-utf-8",
        "bytes of Latin-1 in the header",
        Code.NOT_UTF8,
        "",
        resigned(lambda r: nested(r, b'"feed":"maritime"', b'"feed":"mar\xedtima"')),
    ),
    Case(
        "oversized-header",
        "a header over 32 KiB",
        Code.OVERSIZED,
        "",
        resigned(lambda r: r[:-1] + b" " * 21_000 + b"}"),
    ),
    Case(
        "oversized-object",
        "an object over 256 KiB",
        Code.OVERSIZED,
        "",
        bytewise(lambda r: r[:-1] + b" " * 262_144 + b"}"),
    ),
    Case(
        "oversized-protected",
        "a protected header of many bytes: it would be kept in memory",
        Code.OVERSIZED,
        "/signatures/0/protected",
        protecting(lambda told: compact(told)[:-1] + b" " * 200 + b"}"),
    ),
    Case(
        "oversized-body",
        "a body over 512 KiB",
        Code.OVERSIZED,
        "/body",
        sealed_bytes(lambda r: r[:-1] + b" " * 524_288 + b"}"),
    ),
    Case(
        "oversized-ciphertext",
        "more plaintext than 256 KiB",
        Code.OVERSIZED,
        "/body/ciphertext",
        sealed_as(lambda told: told.update(ciphertext="A" * 349_576)),
    ),
    Case(
        "other-protected",
        "a body of another content encryption",
        Code.WRONG_VALUE,
        "/body/protected",
        sealed_as(lambda told: told.update(protected="e30")),
    ),
    *(
        Case(
            f"length-of-{name}",
            f"the body's {name} of a length that the suite does not have",
            Code.WRONG_VALUE,
            f"/body/{name}",
            in_body(name, lambda _: "AAAA"),
        )
        for name in ("iv", "tag")
    ),
    *(
        Case(
            f"length-of-{name.replace('_', '-')}",
            f"a recipient's {name} of a length that the suite does not have",
            Code.WRONG_VALUE,
            f"/body/recipients/0/{at}",
            in_wrap(0, name, "AAAA"),
        )
        for name, at in (
            ("kid", "header/kid"),
            ("ek", "header/ek"),
            ("encrypted_key", "encrypted_key"),
        )
    ),
    Case(
        "other-wrap",
        "a key wrapped by another algorithm",
        Code.WRONG_VALUE,
        "/body/recipients/0/header/alg",
        wraps_as(lambda told: told[0]["header"].update(alg="HPKE-0-KE")),
    ),
    Case(
        "no-body",
        "a header by itself",
        Code.MISSING_BLOB,
        "/body",
        lambda world: world.envelope()._replace(body=b""),
    ),
    Case(
        "body-of-an-acknowledgement",
        "a body where none belongs",
        Code.BAD_FRAMING,
        "/body",
        lambda world: world.arrival(world.ack(world.envelope()))._replace(body=b"{}"),
    ),
    Case(
        "unknown-typ",
        "an object of a typ that is not taken here",
        Code.UNKNOWN_OBJECT,
        "/signatures/0/protected",
        lambda world: world.sign(b"{}", "xb-other+jws", OPS),
    ),
    Case(
        "two-typs",
        "signatures over two typs",
        Code.UNKNOWN_OBJECT,
        "/signatures",
        protecting(lambda told: {**told, "typ": ACK_TYP}),
    ),
]
