"""What becomes of something sealed that has no receipt: it waits, or was refused; and why.

These are the outbox's rows of it, as they are kept.
"""

from __future__ import annotations

import msgspec

from exchange.errors import Code, ExchangeError, Fact
from exchange.model.objects import Receipt


class Why(msgspec.Struct, frozen=True):
    """What went wrong with something, for it to be told later in either language."""

    code: str
    at: str
    facts: dict[str, Fact]

    @classmethod
    def of(cls, error: ExchangeError) -> Why:
        """Return it of a refusal or a fault."""
        return cls(error.code.value, error.at, error.facts)

    def error(self) -> ExchangeError:
        """Return it as the refusal or fault that it was."""
        return ExchangeError(Code(self.code), self.at, **self.facts)


class Waiting(msgspec.Struct, frozen=True):
    """Something sealed that has no receipt yet: when it was tried last, and what came of it.

    ``unanswered``: an attempt before the last, or one cut off by a kill, got no answer.
    """

    id: str
    tries: int = 0
    tried_ms: int = 0
    why: Why | None = None
    unanswered: bool = False

    @property
    def may_arrive(self) -> bool:
        """Whether a request may be on its way still, whatever the last attempt came to."""
        is_unknown = self.why is not None and self.why.code == Code.OUTCOME_UNKNOWN
        return self.unanswered or is_unknown

    @property
    def since_ms(self) -> int:
        """When it was sealed: its id says."""
        return made_ms(self.id)


class About(msgspec.Struct, frozen=True):
    """What its author knows a bulletin by: its type, to whom it was, and its title."""

    type: str
    to: list[str]
    title: str


class Refused(msgspec.Struct, frozen=True):
    """Something that the node refused: why, the proof, and what its author knows it by.

    That goes with it when its bulletin would not be retained any more; nothing else is kept.
    """

    id: str
    why: Why
    receipt: Receipt
    about: About | None = None


def made_ms(identity: str) -> int:
    """Return the time in a UUIDv7 (RFC 9562, section 5.7); 0 of what is none."""
    try:
        return int(identity.replace("-", "")[:12], 16)
    except ValueError:
        return 0
