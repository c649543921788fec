"""What an auditor was shown of a journal, as a node notes it: who audits is audited."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from exchange.model.identity import Count

# Whole entries, proofs of entries, hashes of the tree.
ShownAs = Literal["entries", "proofs", "tiles"]
# As many are said of one auditor, kind and entry, where there were more: protects sums from a
# process that lies, and is more than a node answers in the minute that one entry is of.
MAX_REQUESTS: Final = 1_000_000
# The largest page and the widest tile: nothing shows more at a time.
MOST_SHOWN: Final = 256


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
    def most(self) -> int:
        """How many can have been shown, by so many requests within this span."""
        return self.requests * min(MOST_SHOWN, self.last - self.first + 1)

    @property
    def span(self) -> str:
        """Of which entries it was, and how many times one was shown: ``0-255x256``."""
        return f"{self.first}-{self.last}x{self.count}"


def joined(one: Shown, other: Shown) -> Shown:
    """Return what was shown in all, of the same kind; no more than can be said of it.

    What could be shown stays so, and within its form, however often it is joined.
    """
    requests = min(one.requests + other.requests, MAX_REQUESTS)
    first, last = min(one.first, other.first), max(one.last, other.last)
    both = Shown(one.what, requests, first, last, one.count + other.count)
    return msgspec.structs.replace(both, count=min(both.count, both.most))
