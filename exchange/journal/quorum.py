"""Which witnesses must have cosigned a checkpoint: the C2SP tlog-policy format, and its rule.

    witness <name> <verifier key> [<url>]
    group <name> all|any|<k> <name> ...
    quorum <name>|none

The same text lists the logs that a witness serves (``log <verifier key> [<url>]``). A witness
signs here with a timestamped ML-DSA-44 cosignature and with nothing else: whoever checks a
cosigned checkpoint years from now must still be able to believe it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from exchange.errors import Code, Refusal
from exchange.journal.note import SignatureType, VerifierKey, parse_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from exchange.model.trust import Arrangement

NONE: Final = "none"
# An address may say which certificate is there: by its digest, or that it is the one which the
# directory lists for a node.
PIN: Final = "#sha256="
OF_NODE: Final = "#node="
# C2SP asks for at least so many of each.
MAX_OF_EACH: Final = 32
_CONTROL: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
_COUNT: Final = re.compile("[1-9][0-9]?")


class Log(NamedTuple):
    """A journal's key: its name is the journal's origin."""

    key: VerifierKey
    url: str


class Witness(NamedTuple):
    """Who may cosign: its name in this policy, its key, and where it takes checkpoints."""

    name: str
    key: VerifierKey
    url: str

    @property
    def node(self) -> str:
        """Return whose witness it is, where its address says so."""
        return self.url.partition(OF_NODE)[2]

    def at(self, certificate: str) -> Witness:
        """Return it at its address with this certificate there, by its digest."""
        return self._replace(url=self.url.partition("#")[0] + PIN + certificate)


class Group(NamedTuple):
    """Has witnessed what at least ``threshold`` of its members have."""

    threshold: int
    members: tuple[str, ...]


class Policy(NamedTuple):
    """A policy as read; ``quorum`` is the name of a witness or group, or ``none``."""

    logs: tuple[Log, ...]
    witnesses: tuple[Witness, ...]
    groups: Mapping[str, Group]
    quorum: str

    @property
    def rule(self) -> tuple[object, ...]:
        """All of it but addresses: the same cosignatures meet two policies of one rule."""
        return self.quorum, self.groups, [(each.name, each.key) for each in self.witnesses]

    def is_met_by(self, names: Collection[str]) -> bool:
        """Tell whether cosignatures of these witnesses are the quorum."""
        return self.quorum == NONE or self._has_witnessed(self.quorum, names)

    def _has_witnessed(self, name: str, names: Collection[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in names
        met = sum(self._has_witnessed(member, names) for member in group.members)
        return met >= group.threshold

    def met_at(self, times: Mapping[str, int]) -> int | None:
        """Return as of when the quorum vouches; None where it does not.

        Args:
            times: by witness, when it cosigned, seconds UTC.
        """
        for time in sorted(set(times.values()), reverse=True):
            if self.is_met_by({name for name, at in times.items() if at >= time}):
                return time
        return None

    def logs_by_origin(self) -> dict[str, tuple[tuple[VerifierKey, ...], ...]]:
        """Return the rings of each journal, in the order of their handing over.

        All keys of one ring sign a checkpoint. A key of a type that the ring has already
        begins the next ring, and all rings of a journal are of the same types.

        Raises:
            Refusal: ``malformed``: a key is missing, or out of its place.
        """
        by_origin: dict[str, list[list[VerifierKey]]] = {}
        for log in self.logs:
            rings = by_origin.setdefault(log.key.name, [[]])
            if log.key.type in {each.type for each in rings[-1]}:
                rings.append([])
            rings[-1].append(log.key)
        for origin, rings in by_origin.items():
            # Else one key would be taken for a ring, and sign alone what two must.
            if len({tuple(key.type for key in ring) for ring in rings}) > 1:
                raise Refusal(Code.MALFORMED, object="witness-policy", name=origin)
        return {origin: tuple(map(tuple, rings)) for origin, rings in by_origin.items()}


def of(arrangement: Arrangement) -> Policy | None:
    """Return the witness policy that the nations agreed on; None where there is none.

    Raises:
        Refusal: ``malformed``, ``weak-key``; or ``trust-invalid``: quorum and witnesses do not
            say the same.
    """
    if (arrangement.quorum == NONE) != (arrangement.witnesses is None):
        raise Refusal(Code.TRUST_INVALID, "/quorum", name=arrangement.quorum)
    if arrangement.witnesses is None:
        return None
    policy = parse("\n".join(arrangement.witnesses.policy) + "\n")
    if policy.quorum == NONE:
        # Said by leaving the member out: one spelling of it.
        raise Refusal(Code.TRUST_INVALID, "/witnesses/policy", name="quorum")
    return policy


def parse(text: str) -> Policy:
    """Return the policy that a text spells.

    Args:
        text: lines, each with its newline. Blank lines and those that begin with # say nothing.

    Raises:
        Refusal: ``malformed``, with the number of the line; ``weak-key``.

    Source: C2SP tlog-policy, "Policy file syntax and structure".
    """
    reader = _Reader()
    *lines, rest = text.split("\n")
    if rest:
        raise _malformed(len(lines) + 1)
    for number, line in enumerate(lines, 1):
        words = line.replace("\t", " ").strip(" ").split(" ")
        words = [word for word in words if word]
        if _CONTROL.search(line):
            raise _malformed(number)
        if not words or words[0].startswith("#"):
            continue
        try:
            reader.take(words)
        except (ValueError, KeyError, IndexError):
            raise _malformed(number) from None
    if reader.quorum is None:
        raise _malformed(len(lines) + 1)
    return Policy(
        tuple(reader.logs), tuple(reader.witnesses), dict(reader.groups), reader.quorum
    )


def _malformed(line: int) -> Refusal:
    return Refusal(Code.MALFORMED, object="witness-policy", found=line)


class _Reader:
    """What was read so far; a line that does not fit is a ``ValueError``."""

    def __init__(self) -> None:
        self.logs: list[Log] = []
        self.witnesses: list[Witness] = []
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None
        self._names: set[str] = {NONE}
        self._members: set[str] = {NONE}

    def take(self, words: Sequence[str]) -> None:
        takers: dict[str, Callable[[Sequence[str]], None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum,
        }
        takers[words[0]](words[1:])

    def _log(self, words: Sequence[str]) -> None:
        key, *url = words
        log = Log(parse_key(key), _one(url))
        _must_be_new(log.key, [each.key for each in self.logs], len(self.logs))
        self.logs.append(log)

    def _witness(self, words: Sequence[str]) -> None:
        name, key, *url = words
        witness = Witness(self._named(name), parse_key(key), _one(url))
        if witness.key.type is not SignatureType.ML_DSA_44:
            raise ValueError(witness.key.type)
        known = [each.key for each in self.witnesses]
        _must_be_new(witness.key, known, len(self.witnesses))
        self.witnesses.append(witness)

    def _group(self, words: Sequence[str]) -> None:
        name, threshold, *members = words
        for member in members:
            # Each counts in one place only, and a group comes after what it is made of.
            if member not in self._names or member in self._members:
                raise ValueError(member)
            self._members.add(member)
        count = {"any": 1, "all": len(members)}.get(threshold)
        if count is None:
            count = int(threshold) if _COUNT.fullmatch(threshold) else 0
        if not 1 <= count <= len(members) or len(self.groups) >= MAX_OF_EACH:
            raise ValueError(threshold)
        self.groups[self._named(name)] = Group(count, tuple(members))

    def _quorum(self, words: Sequence[str]) -> None:
        (name,) = words
        if self.quorum is not None or name not in self._names:
            raise ValueError(name)
        self.quorum = name

    def _named(self, name: str) -> str:
        if name in self._names:
            raise ValueError(name)
        self._names.add(name)
        return name


def _one(words: Sequence[str]) -> str:
    (word,) = words or ("",)
    return word


def _must_be_new(key: VerifierKey, known: Iterable[VerifierKey], count: int) -> None:
    if count >= MAX_OF_EACH or key.public in {each.public for each in known}:
        raise ValueError(key.name)
