"""Documents by which others would sign: strangers, namesakes, or one nation for the other."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from exchange.model import metadata
from exchange.model.identity import Nation, Signatory
from exchange.model.view import Custodians
from exchange.seal import trust_making
from tests import builders
from tests.builders import FOUNDED, World

People = tuple[Signatory, ...]


def successor(seed: str = "successor") -> builders.Founder:
    """Custodians who have neither key nor name in common with a world's."""
    made = builders.Founder(builders.Randomness(seed), FOUNDED)
    made.custodians = {
        nation: {name.replace("custodian", seed): each for name, each in signers.items()}
        for nation, signers in made.custodians.items()
    }
    return made


def usurped(world: World) -> bytes:
    """The next root, all of its custodians new, signed by them alone."""
    usurper = successor("usurper")
    return usurper.signed(usurper.root(world.view.online, 2))


def renamed(world: World) -> bytes:
    """The same, by people who call themselves as those in force."""
    namesakes = builders.Founder(builders.Randomness("namesakes"), FOUNDED)
    return namesakes.signed(namesakes.root(world.view.online, 2))


def delegated(world: World, **people: Callable[[People], People]) -> bytes:
    """The next file of the arrangement, in which nations' own files are other people's."""
    told: dict[str, dict[Nation, Custodians]] = {}
    for nation, circle in world.founder.circles.items():
        change = people.get(nation, lambda each: each)
        told[nation] = {nation: circle._replace(signatories=change(circle.signatories))}
    listed = world.view.files["targets"].signed.targets[metadata.ARRANGEMENT]
    info = metadata.TargetInfo(metadata.Hashes(listed.hashes["sha256"]), listed.length)
    return world.founder.signed(trust_making.top(2, world.founder.expires, info, told))


def lent(world: World) -> bytes:
    """The United States' own file, by Panama's keys under the names of theirs."""
    keys = world.founder.circles["pa"].signatories

    def change(people: People) -> People:
        pairs = zip(people, keys, strict=True)
        return tuple(msgspec.structs.replace(a, keys=list(b.keys)) for a, b in pairs)

    return delegated(world, us=change)
