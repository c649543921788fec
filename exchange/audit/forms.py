"""What no rule judges again must still have its form: salts, refusals, whoever is named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal
from exchange.journal.tree import HASH_BYTES
from exchange.model import entry as entries
from exchange.model.codec import unb64

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exchange.model.entry import Facts
    from exchange.model.view import View

_POINTER = re.compile(r"(/([^~/]|~[01])*)*")
_CODES = frozenset(code.value for code in Code)


class Listed:
    """Who was ever in the directory, and who of them was ever an auditor."""

    def __init__(self, endpoints: Iterable[str] = (), auditors: Iterable[str] = ()) -> None:
        """Begin with who is known."""
        self.endpoints, self.auditors = set(endpoints), set(auditors)

    def follow(self, view: View) -> None:
        """Take in who is listed by now. Who was struck off was shown and told things too."""
        self.endpoints.update(view.endpoints)
        self.auditors.update(
            name
            for name, standing in view.endpoints.items()
            if "auditor" in standing.endpoint.roles
        )


def check(facts: Facts, index: int, listed: Listed) -> None:
    """Hold an entry's facts to their form.

    Args:
        facts: of the entry.
        index: of the entry.
        listed: who was ever in the directory up to here.

    Raises:
        Refusal: ``bad-proof``, and which fact.
    """
    if len(unb64(facts.salt, "/salt")) != entries.SALT_BYTES:
        raise Refusal(Code.BAD_PROOF, "/salt", found=index)
    if isinstance(facts, entries.AuditRead) and facts.auditor not in listed.auditors:
        raise Refusal(Code.BAD_PROOF, "/auditor", found=index)
    leaf = facts.leaf if isinstance(facts, entries.Lost) else None
    if isinstance(leaf, str) and len(unb64(leaf, "/leaf")) != HASH_BYTES:
        raise Refusal(Code.BAD_PROOF, "/leaf", found=index)
    if not isinstance(facts, entries.Refused):
        return
    if facts.code not in _CODES:
        raise Refusal(Code.BAD_PROOF, "/code", found=index)
    # Empty: the node's own operator.
    if facts.caller and facts.caller not in listed.endpoints:
        raise Refusal(Code.BAD_PROOF, "/caller", found=index)
    if not _POINTER.fullmatch(facts.at) or not facts.at.isprintable():
        raise Refusal(Code.BAD_PROOF, "/at", found=index)
