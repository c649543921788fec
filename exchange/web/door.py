"""Who may come in: a link that is good once, and the session that it opens.

The pages are served on this machine's loopback addresses alone. That keeps other machines out,
not other people and programs on this one: so whoever comes shows a session. Its secret stands
in a cookie that no script can read and that no other site's page sends along. A cookie knows no
ports, and what else listens on 127.0.0.1 would be sent it: so each run has a host name of its
own under ``localhost``, which browsers look up nowhere (RFC 6761, section 6.3).
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal, get_args

import msgspec

from exchange.errors import Code, Refusal
from exchange.model.codec import b64

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.model.codes import Lang

Theme = Literal["auto", "light", "dark", "contrast"]
THEMES: tuple[Theme, ...] = get_args(Theme)

COOKIE: Final = "exchange"
PLAIN: Final = "127.0.0.1"
_SECRET_BYTES: Final = 32
_NAME_BYTES: Final = 8
# One person, with a browser or two.
_MAX_SESSIONS: Final = 8
# A watch and its handover; whoever comes later opens a new link.
_IDLE_MS: Final = 12 * 3600 * 1000


class Session(msgspec.Struct):
    """One browser's session: how pages are to be shown there, and until when it is good.

    ``searches``: what was searched for, by number, the oldest first.
    """

    lang: Lang
    until_ms: int
    theme: Theme = "auto"
    keys: bool = True
    searches: dict[str, str] = {}


class Door:
    """Hands out links, and knows the sessions that they opened; keeps digests of secrets."""

    def __init__(
        self,
        randomness: Callable[[int], bytes],
        clock_ms: Callable[[], int],
        lang: Lang,
        *,
        is_plain: bool = False,
    ) -> None:
        """Begin with nobody in.

        Args:
            randomness: returns so many random bytes.
            clock_ms: a clock that only goes on, in milliseconds.
            lang: what pages are in until somebody chooses.
            is_plain: go by 127.0.0.1, for a browser that knows no names under ``localhost``.
        """
        self.host = PLAIN if is_plain else f"x{randomness(_NAME_BYTES).hex()}.localhost"
        self.lang = lang
        self._randomness = randomness
        self._clock_ms = clock_ms
        self._link = b""
        self._sessions: dict[bytes, Session] = {}

    def link(self) -> str:
        """Return the secret of a new link; the one before it is good no more."""
        secret = b64(self._randomness(_SECRET_BYTES))
        self._link = _digest(secret)
        return secret

    def enter(self, secret: str) -> str:
        """Use the link up; return the secret of the session that it opens.

        Raises:
            Refusal: ``page-link``: it is not the newest link's, or was used.
        """
        link, told = self._link, _digest(secret)
        if not link or not hmac.compare_digest(link, told):
            raise Refusal(Code.PAGE_LINK)
        self._link = b""
        while len(self._sessions) >= _MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        opened = b64(self._randomness(_SECRET_BYTES))
        self._sessions[_digest(opened)] = Session(self.lang, self._clock_ms() + _IDLE_MS)
        return opened

    def session(self, secret: str) -> Session:
        """Return a session, and have it go on.

        Raises:
            Refusal: ``page-session``: there is none, or it ended.
        """
        # Looked up by a digest: how long that takes tells nothing of the secret.
        found, now = self._sessions.get(_digest(secret)), self._clock_ms()
        if found is None or found.until_ms <= now:
            self._sessions.pop(_digest(secret), None)
            raise Refusal(Code.PAGE_SESSION)
        found.until_ms = now + _IDLE_MS
        return found

    def is_in(self, secret: str) -> bool:
        """Tell whether a session is good still; it does not go on by being asked after."""
        found = self._sessions.get(_digest(secret))
        return found is not None and found.until_ms > self._clock_ms()

    def leave(self, secret: str) -> None:
        """End a session."""
        self._sessions.pop(_digest(secret), None)


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
