"""The life of an endpoint's keys, over what its container holds.

A key is made, asked for, listed by its nation, in use, and past. Past opening keys stay, so
that old bulletins open; when no bulletin needs one any more it is destroyed, and what it opened
says so. All here are functions from one state of the container to the next.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from exchange.custody.container import Destroyed, Life, Secrets
from exchange.errors import Code, Fault, Refusal
from exchange.model import objects
from exchange.model.trust import EndpointKey
from exchange.seal import jws
from exchange.seal.open import SoftwareOpener
from exchange.seal.software import SecretKey, load
from exchange.seal.suites import suite_of_wrap, wrap_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from exchange.model.identity import Jwk
    from exchange.model.objects import Enrolment
    from exchange.seal.jws import Signer
    from exchange.seal.open import Opener, Unwrapper

# What a container holds, by purpose. The set that was asked for waits beside the one in use.
SIGN, OPEN = "sign", "open"
SIGN_NEXT, OPEN_NEXT = "sign-next", "open-next"

DAY_S = 86_400
# Rotated monthly, good for three: who misses a month is told in time (30, 7 and 1 days ahead).
ROTATE_DAYS = 31
OPENING_DAYS = 93
SIGNING_DAYS = 366
# How long a replaced key stays valid beside its successor, unless custodians say otherwise.
OVERLAP_DAYS = 7

_STORAGE, _STORAGE_BYTES = "A256GCM", 32

State = Literal["in-use", "next", "past", "destroyed"]


class Held(NamedTuple):
    """A key of this endpoint: its use, its name, and where it is in its life."""

    use: Literal["sig", "enc"]
    kid: str
    alg: str
    state: State
    life: Life | None


def public(secret: SecretKey) -> Jwk:
    """Return the public half of a signing or opening key."""
    if suite_of_wrap(secret.alg) is not None:
        return SoftwareOpener(secret).key
    return load(secret)[0]


def held(secrets: Secrets) -> list[Held]:
    """Return every key, signing keys first. Of opening keys the last of a suite is in use."""
    found: list[Held] = []

    def add(use: Literal["sig", "enc"], purpose: str, state: State) -> None:
        for secret in secrets.keys.get(purpose, []):
            jwk = public(secret)
            found.append(Held(use, jwk.kid, jwk.alg, state, secrets.lives.get(jwk.kid)))

    add("sig", SIGN, "in-use")
    add("sig", SIGN_NEXT, "next")
    add("enc", OPEN, "past")
    newest = {each.alg: place for place, each in enumerate(found) if each.use == "enc"}
    for place in newest.values():
        found[place] = found[place]._replace(state="in-use")
    add("enc", OPEN_NEXT, "next")
    found += [
        Held("enc", each.kid, each.alg, "destroyed", Life(0, each.at))
        for each in secrets.destroyed
    ]
    return found


class Gone:
    """Opens nothing: its key was destroyed, and what was sealed to it says so."""

    def __init__(self, destroyed: Destroyed) -> None:
        """Remember which key it was, and when it went."""
        self._destroyed = destroyed

    @property
    def kid(self) -> str:
        """The name of the key that senders wrapped to."""
        return self._destroyed.kid

    def unwrap(self, wrapped: bytes, info: bytes) -> bytes:  # noqa: ARG002
        """Refuse, and say since when."""
        day = datetime.fromtimestamp(self._destroyed.at, UTC).date().isoformat()
        raise Refusal(Code.KEY_DESTROYED, "/body/recipients", kid=self.kid, day=day)


def openers(secrets: Secrets) -> list[Opener]:
    """Return all that may open a bulletin: past, present, and asked for."""
    keys = [*secrets.of(OPEN), *secrets.keys.get(OPEN_NEXT, [])]
    return [SoftwareOpener(key) for key in keys]


def gone(secrets: Secrets) -> list[Unwrapper]:
    """Return what says, of each destroyed key, why nothing opens with it."""
    return [Gone(each) for each in secrets.destroyed]


# -- the mail at rest --------------------------------------------------------------------------


def with_storage(secrets: Secrets, randomness: Callable[[int], bytes]) -> Secrets:
    """Return the container with a key that seals its holder's mail, if it has none yet."""
    if secrets.storage:
        return secrets
    made = SecretKey(_STORAGE, randomness(_STORAGE_BYTES))
    return msgspec.structs.replace(secrets, storage=[made])


def storage(secrets: Secrets) -> list[bytes]:
    """Return the keys that the mail may be sealed under, newest use first."""
    return [key.seed for key in secrets.storage]


def with_storage_of(secrets: Secrets, others: Secrets) -> Secrets:
    """Return a restored container that also opens the mail that is here."""
    here = others.storage
    kept = [*here, *(key for key in secrets.storage if key not in here)]
    return msgspec.structs.replace(secrets, storage=kept)


# -- new keys ----------------------------------------------------------------------------------


def with_keys(
    secrets: Secrets,
    purpose: str,
    fresh: Sequence[SecretKey],
    life: Life,
    elsewhere: Sequence[Jwk] = (),
) -> Secrets:
    """Return the container with keys that are to be asked for, and how long they shall live.

    ``elsewhere`` are those of the same set whose private half lies in a token.
    """
    jwks = [*map(public, fresh), *elsewhere]
    lives = {jwk.kid: life for jwk in jwks}
    return msgspec.structs.replace(
        secrets,
        keys={**secrets.keys, purpose: list(fresh)},
        lives={**secrets.lives, **lives},
    )


def asked(
    secrets: Secrets, signing: Sequence[Jwk], opening: Sequence[SecretKey]
) -> list[EndpointKey]:
    """Return keys as a request lists them, each opening key tried first.

    Raises:
        Fault: ``key-file``: an opening key does not open what is sealed to it.
    """
    keys = [("sig", jwk) for jwk in signing]
    for secret in opening:
        _try(secret)
        keys.append(("enc", public(secret)))
    found = []
    for use, jwk in keys:
        life = secrets.lives[jwk.kid]
        found.append(EndpointKey("sig" if use == "sig" else "enc", jwk, life.since, life.until))
    return found


def _try(secret: SecretKey) -> None:
    """Seal to an opening key and open it: nobody shall seal to a key that opens nothing."""
    opener, probe, info = SoftwareOpener(secret), b"enrolment".ljust(32), b"xb1-enrol"
    suite = suite_of_wrap(opener.key.alg)
    try:
        # What was sealed is authenticated: it opens as it was, or not at all.
        if suite is not None:
            opener.unwrap(suite.hpke.encrypt(probe, wrap_key(opener.key), info), info)
    except Refusal as refusal:
        raise Fault(Code.KEY_FILE, name=opener.key.kid, expected=secret.alg) from refusal


def request(enrolment: Enrolment, signers: Iterable[Signer]) -> bytes:
    """Return the signed request: by the keys in force if there are any, then by new ones."""
    payload = msgspec.json.encode(enrolment)
    return jws.sign(payload, objects.ENROLMENT_TYP, list(signers))


def taken_up(secrets: Secrets, listed: Mapping[str, EndpointKey], now: int) -> Secrets:
    """Return the container with those keys in use that the directory lists by now.

    The signing keys before them go at once: what they signed stays signed. Opening keys stay.
    """
    keys = dict(secrets.keys)

    def is_listed(secret: SecretKey) -> bool:
        entry = listed.get(public(secret).kid)
        return entry is not None and entry.since <= now < entry.until

    signing = keys.get(SIGN_NEXT, [])
    if signing and all(map(is_listed, signing)):
        keys[SIGN] = keys.pop(SIGN_NEXT)
    ready = [key for key in keys.get(OPEN_NEXT, []) if is_listed(key)]
    keys[OPEN] = [*keys.get(OPEN, []), *ready]
    keys[OPEN_NEXT] = [key for key in keys.get(OPEN_NEXT, []) if key not in ready]
    return msgspec.structs.replace(secrets, keys={p: k for p, k in keys.items() if k})


def aged(secrets: Secrets, now: int) -> Secrets:
    """Return the container without keys that wait although their time is over.

    Nobody lists them any more, and others are to be asked for. An opening key becomes a past
    one: it may have been listed for a while, and something sealed to it.
    """

    def is_over(secret: SecretKey) -> bool:
        life = secrets.lives.get(public(secret).kid)
        return life is not None and life.until <= now

    waiting = secrets.keys.get(OPEN_NEXT, [])
    over = [key for key in waiting if is_over(key)]
    keys = {
        **secrets.keys,
        OPEN: [*over, *secrets.keys.get(OPEN, [])],
        OPEN_NEXT: [key for key in waiting if key not in over],
    }
    if any(map(is_over, keys.get(SIGN_NEXT, []))):
        del keys[SIGN_NEXT]
    return msgspec.structs.replace(secrets, keys={p: k for p, k in keys.items() if k})


# -- the end -----------------------------------------------------------------------------------


def without(secrets: Secrets, kids: Collection[str], at: int) -> Secrets:
    """Return the container without these opening keys; their names stay, as destroyed.

    Raises:
        Fault: ``key-file``: none would be left, and nothing sealed from now on would open.
    """
    opens = [*secrets.keys.get(OPEN, []), *secrets.keys.get(OPEN_NEXT, [])]
    gone = [Destroyed(jwk.kid, jwk.alg, at) for jwk in map(public, opens) if jwk.kid in kids]
    return _ended(secrets, _left(secrets, kids), gone)


def buried(secrets: Secrets, destroyed: Iterable[Destroyed]) -> Secrets:
    """Return a restored container without the keys that were destroyed after its backup.

    Raises:
        Fault: as ``without``.
    """
    known = {each.kid for each in secrets.destroyed}
    gone = [each for each in destroyed if each.kid not in known]
    keys = _left(secrets, {each.kid for each in gone})
    if not keys.get(OPEN):
        # What waits in the backup was taken into use here, before the last one was destroyed.
        keys[OPEN] = keys.pop(OPEN_NEXT, [])
    return _ended(secrets, keys, gone)


def _left(secrets: Secrets, kids: Collection[str]) -> dict[str, list[SecretKey]]:
    """Return the keys by purpose, but for these opening keys."""
    return {
        purpose: [
            key
            for key in found
            if purpose not in (OPEN, OPEN_NEXT) or public(key).kid not in kids
        ]
        for purpose, found in secrets.keys.items()
    }


def _ended(
    secrets: Secrets, keys: Mapping[str, list[SecretKey]], gone: Sequence[Destroyed]
) -> Secrets:
    """Return the container with these keys and no others, which are remembered as gone."""
    if not keys.get(OPEN):
        raise Fault(Code.KEY_FILE, name=secrets.holder, expected=OPEN)
    kids = {each.kid for each in gone}
    return msgspec.structs.replace(
        secrets,
        keys={purpose: found for purpose, found in keys.items() if found},
        lives={kid: life for kid, life in secrets.lives.items() if kid not in kids},
        destroyed=[*secrets.destroyed, *gone],
    )
