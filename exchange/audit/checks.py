"""What a verification says: each check by number and name, and what became of the journal."""

from __future__ import annotations

from typing import Literal

import msgspec

from exchange.journal import quorum

# In this order; a report numbers them from 1.
Name = Literal[
    "readable",
    "hashes",
    "replay",
    "checkpoints",
    "covered",
    "groups",
    "bodies",
    "inboxes",
    "heads",
    "keys",
    "kinds",
    "tiles",
    "attachments",
    "pressing",
    "chased",
    "due",
    "purges",
    "file",
    "kept",
    "cosigned",
    "lost",
    "state",
]


class Check(msgspec.Struct, frozen=True):
    """One check: number and name, how many things it held for, and the first it did not."""

    number: int
    name: Name
    ok: bool
    held: int
    first: int | None = None
    code: str | None = None
    at: str = ""


class Report(msgspec.Struct, frozen=True):
    """What became of a verification.

    Attributes:
        ok: every check held.
        anchored: the trust documents follow from an anchor that the auditor brought.
        anchor: digest of the first root, as used.
        mirror: the auditor said that it is one: what a mirror never has was not asked for.
        size: entries found.
        replayed: entries judged again by the same rules, and found right.
        attested: entries whose form, place and time hold, and that cannot be judged again
            (refusals, whose bytes are not kept, and bookkeeping).
        covered: entries under the newest checkpoint that holds.
        uncovered: the other entries, but for that checkpoint's own.
        grouped: entries under commit groups whose signed statement holds; 0 for a mirror,
            which has none: then they were not looked at.
        bodies: sealed bodies that are as their entry says; 0 for a mirror, which has none.
        attached: different attachments that entries name.
        attachments: of these, how many are kept as they were signed for; None: the folder was
            not there, or not named, and they were not looked at.
        purged: of these, how many are gone and said to have been purged, as was ordered.
        erased: bodies and wrapped keys that are gone, as was ordered; 0 for a mirror.
        orders: purges that were ordered.
        quorum: whether the arrangement in force at the end asks for witnesses.
        cosigned: checkpoints that a quorum of witnesses cosigned, as the journal itself holds
            and as the one that was kept elsewhere shows.
        witnessed: how many entries the newest of them is of; 0 for none.
        witnessed_at: as of when its quorum vouches, in seconds UTC.
        root: of all entries found, in base64url.
        since: entries that an earlier verification held right, and that were not read again.
        lost: entries whose bytes survive nowhere, as custodians of both nations declared: of
            ``size``, ``attested`` and ``covered``; nothing is known of them but their place.
        node: whose journal it is, as it says itself.
    """

    ok: bool
    anchored: bool
    anchor: str
    mirror: bool
    size: int
    replayed: int
    attested: int
    covered: int
    uncovered: int
    grouped: int
    bodies: int
    attached: int
    attachments: int | None
    purged: int
    erased: int
    orders: int
    root: str
    checks: list[Check]
    quorum: str = quorum.NONE
    cosigned: int = 0
    witnessed: int = 0
    witnessed_at: int | None = None
    since: int = 0
    lost: int = 0
    node: str = ""
