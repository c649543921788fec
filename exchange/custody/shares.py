"""A key container that so many of its shares open, where its passphrase is lost.

What is shared is a secret of 256 bits, by SLIP-39: each share is 33 English words with a check
of their own. Under that secret the whole container is sealed anew into a file of its own kind,
which may lie anywhere: without the shares it is noise. So every kind of container can be
shared, whole, and each share is as short as can be.

The file knows its set and the sets before it, so that a share of an older set is told apart.
It says who holds what in the clear, and seals the same, so that neither can be exchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import msgspec
from shamir_mnemonic import EncryptedMasterSecret, MnemonicError, Share, recover_ems, split_ems
from shamir_mnemonic.constants import ID_LENGTH_BITS
from shamir_mnemonic.shamir import ShareGroup
from shamir_mnemonic.wordlist import WORDLIST

from exchange.custody import container
from exchange.custody.container import Secrets
from exchange.custody.words import place_of
from exchange.errors import Code, Fault, Refusal
from exchange.model.codec import b64
from exchange.model.identity import Seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

KIND: Literal["xk1-shared"] = "xk1-shared"
# One share alone would be the key in the clear; SLIP-39 counts to 16.
MIN_THRESHOLD, MAX_SHARES = 2, 16
SHARE_WORDS = 33  # of a secret of 256 bits: 4 for the set, 26 for the share, 3 to check
_SECRET_BYTES = 32
_SETS = 2**ID_LENGTH_BITS

Set = Annotated[int, msgspec.Meta(ge=0, lt=_SETS)]


class Made(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A set of shares: its number, which the shares bear too, and when it was made."""

    number: Set
    at: Seconds


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a shared container says in the clear: whose, which set, and how many it takes.

    ``before`` are the sets that this one replaces, newest last.
    """

    holder: str
    made: Made
    threshold: Annotated[int, msgspec.Meta(ge=MIN_THRESHOLD, le=MAX_SHARES)]
    shares: Annotated[int, msgspec.Meta(ge=MIN_THRESHOLD, le=MAX_SHARES)]
    before: list[Made] = []


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: Literal["xk1-shared"]
    about: About
    sealed: str


class _Plain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    about: About
    secrets: Secrets


class Shared(NamedTuple):
    """A container in shares: its file, and the words of each share, which are secret."""

    about: About
    file: bytes
    shares: list[list[str]]


class Plan(NamedTuple):
    """How many shares to make, and how many of them open."""

    threshold: int
    shares: int


def share(
    secrets: Secrets,
    plan: Plan,
    now: int,
    randomness: Callable[[int], bytes],
    before: Sequence[Made] = (),
) -> Shared:
    """Return a container in shares, tried before it is handed out.

    Args:
        secrets: what is kept.
        plan: never fewer than 2, never more than 16.
        now: seconds UTC.
        randomness: for the secret and the set's number. The shares' own is the system's.
        before: the sets that the new one replaces.

    Raises:
        Fault: ``key-file``: the first shares or the last ones do not open it.
    """
    taken = {each.number for each in before}
    number = next(n for n in _numbers(randomness) if n not in taken)
    about = About(secrets.holder, Made(number, now), plan.threshold, plan.shares, [*before])
    secret = randomness(_SECRET_BYTES)
    plain = msgspec.json.encode(_Plain(about, secrets))
    # Stretched like a passphrase, which it does not need: so there is one way to seal.
    sealed = container.seal_bytes(KIND, secrets.holder, plain, b64(secret), randomness)
    file = msgspec.json.encode(_File(KIND, about, sealed.decode().rstrip("\n"))) + b"\n"
    master = EncryptedMasterSecret.from_master_secret(
        secret, b"", number, extendable=False, iteration_exponent=0
    )
    (made,) = split_ems(1, [(plan.threshold, plan.shares)], master)
    words = [each.words() for each in made]
    for some in (words[: plan.threshold], words[-plan.threshold :]):
        # A share that was never tried is a hope.
        gathering = Gathering(file)
        for each in some:
            gathering.add(" ".join(each))
        if gathering.open() != secrets:
            raise Fault(Code.KEY_FILE, name=secrets.holder, expected="key-container-undamaged")
    return Shared(about, file, words)


def _numbers(randomness: Callable[[int], bytes]) -> Iterator[int]:
    while True:
        yield int.from_bytes(randomness(2)) % _SETS


def about(file: bytes) -> About:
    """Return what a shared container says of itself.

    Raises:
        Fault: ``key-file``: it is none.
    """
    return _read(file).about


def _read(file: bytes) -> _File:
    if len(file) > 2 * container.MAX_CONTAINER_BYTES:
        raise Fault(Code.KEY_FILE, expected=KIND)
    try:
        return msgspec.json.decode(file, type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Fault(Code.KEY_FILE, expected=KIND) from None


class Gathering:
    """Shares as they are entered, each looked at on its own before the next is asked for."""

    def __init__(self, file: bytes) -> None:
        """Begin with the container that they open.

        Raises:
            Fault: ``key-file``: it is no shared container.
        """
        self._file = _read(file)
        self._found: dict[int, Share] = {}

    @property
    def about(self) -> About:
        """Whose container it is, and how many shares it takes."""
        return self._file.about

    @property
    def missing(self) -> int:
        """How many shares are still needed."""
        return max(0, self.about.threshold - len(self._found))

    def add(self, text: str) -> int:
        """Take one share, and return its number from 1.

        Args:
            text: its words, apart by spaces; four letters of each are enough.

        Raises:
            Refusal: ``share-wrong``: it is no share, with the place of the first word that
                is in no list, or misread anywhere; ``share-superseded``: of a set that this
                one replaced; ``share-mixed``: of another set or another holder's;
                ``share-twice``: entered before.
        """
        found = self._whole(text)
        expected = self.about.made.number
        if found.identifier != expected:
            for each in self.about.before:
                if found.identifier == each.number:
                    raise Refusal(
                        Code.SHARE_SUPERSEDED, "", found=each.number, expected=f"{expected}"
                    )
            raise Refusal(Code.SHARE_MIXED, "", found=found.identifier, name=self.about.holder)
        if found.member_threshold != self.about.threshold:
            raise Refusal(Code.SHARE_MIXED, "", found=found.identifier, name=self.about.holder)
        if found.index in self._found:
            raise Refusal(Code.SHARE_TWICE, "", place=found.index + 1)
        self._found[found.index] = found
        return found.index + 1

    def _whole(self, text: str) -> Share:
        typed = text.split()
        places = [place_of(word, WORDLIST) for word in typed]
        # Never the word itself: a share is a secret.
        if None in places:
            raise Refusal(Code.SHARE_WRONG, "", place=places.index(None) + 1)
        if len(typed) != SHARE_WORDS:
            raise Refusal(Code.SHARE_WRONG, "", found=len(typed), expected="share-words")
        words = " ".join(WORDLIST[place] for place in places if place is not None)
        try:
            return Share.from_mnemonic(words)
        except MnemonicError:
            raise Refusal(Code.SHARE_WRONG, "") from None

    def open(self) -> Secrets:
        """Return what the shares open.

        Raises:
            Refusal: ``share-mixed``: each is a share, and together they are none of this set.
            Fault: ``key-file``: the file is damaged or altered.
        """
        group = ShareGroup()
        for each in self._found.values():
            group.add(each)
        holder = self.about.holder
        try:
            secret = recover_ems({0: group}).decrypt(b"")
        except MnemonicError:
            raise Refusal(Code.SHARE_MIXED, "", name=holder) from None
        plain = container.unseal_bytes(KIND, self._file.sealed.encode(), b64(secret))
        try:
            whole = msgspec.json.decode(plain, type=_Plain)
        except msgspec.MsgspecError:
            raise Fault(Code.KEY_FILE, name=holder, expected=KIND) from None
        if whole.about != self.about:
            raise Fault(Code.KEY_FILE, name=holder, expected="key-container-undamaged")
        return whole.secrets
