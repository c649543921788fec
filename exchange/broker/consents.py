"""What an originator said of passing one bulletin on: found by who gives and who receives.

What it said last of the two counts, a consent or its withdrawal. All of it is found by number,
so that one look-up before settling finds it.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from exchange.broker import keys
from exchange.model import entry as entries
from exchange.model import objects
from exchange.policy import rules
from exchange.seal import jws

if TYPE_CHECKING:
    from exchange.broker.holding import Find
    from exchange.broker.records import Found

# What may be said of one bulletin, one giver and one recipient; the last place is kept for a
# withdrawal.
MAX_CONSENTS = 16


def lookups(header_digest: str, by: str, to: str) -> list[bytes]:
    """Return the keys of all that may have been said of a bulletin, a giver and a recipient."""
    return [keys.consent(header_digest, by, to, number) for number in range(MAX_CONSENTS)]


def said(header_digest: str, by: str, to: str, find: Find) -> list[Found]:
    """Return the entries in which anything was said of it, in order."""
    found = [find(key) for key in lookups(header_digest, by, to)]
    return [each for each in takewhile(lambda one: one is not None, found) if each]


def newest(
    header_digest: str, by: str, to: str, find: Find
) -> tuple[int, rules.Consent] | None:
    """Return what was said last, with the index of its entry; None where nothing ever was."""
    found = said(header_digest, by, to, find)
    return (found[-1].index, in_entry(found[-1].entry)) if found else None


def in_entry(raw: bytes) -> rules.Consent:
    """Return what is said in an entry."""
    signed = jws.read(entries.decode(raw).object, objects.MAX_OBJECT_BYTES)
    return rules.Consent(objects.decode_consent(signed.payload).until)
