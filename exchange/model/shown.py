"""What an auditor was shown of a journal, as a node notes it: who audits is audited."""

from __future__ import annotations

from typing import Literal

import msgspec

from exchange.model.identity import Count

# Whole entries, proofs of entries, hashes of the tree.
ShownAs = Literal["entries", "proofs", "tiles"]


class Shown(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """What of one kind was shown, by so many requests: from entry ``first`` to ``last``.

    ``count`` is how many entries, proofs or hashes, each time that they were shown.
    """

    what: ShownAs
    requests: Count
    first: Count
    last: Count
    count: Count

    @property
    def span(self) -> str:
        """Of which entries it was, and how many times one was shown: ``0-255x256``."""
        return f"{self.first}-{self.last}x{self.count}"


def joined(one: Shown, other: Shown) -> Shown:
    """Return what was shown in all, of the same kind."""
    return Shown(
        one.what,
        one.requests + other.requests,
        min(one.first, other.first),
        max(one.last, other.last),
        one.count + other.count,
    )
