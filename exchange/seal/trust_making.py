"""Make TUF metadata: what custodians sign, from what is in force and what they changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.model import metadata, trust
from exchange.model.identity import ALPHA3
from exchange.model.metadata import (
    Circle,
    Delegated,
    Delegations,
    Online,
    Role,
    Roles,
    Root,
    TargetInfo,
    Targets,
)
from exchange.seal.trust import paths_of
from exchange.seal.trust_keys import key_of, named, sign

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from exchange.model.identity import Nation, Signatory
    from exchange.model.trust import Arrangement, Document
    from exchange.model.view import Custodians, View
    from exchange.seal.jws import Signer


def root(
    version: int,
    expires: int,
    circles: Mapping[Nation, Custodians],
    nodes: Mapping[str, Signatory],
    targets: Mapping[Nation, Custodians] | None = None,
) -> Root:
    """Return a root, to be signed.

    Args:
        version: one more than that in force.
        expires: seconds UTC.
        circles: the custodians of each nation.
        nodes: who signs snapshots and timestamps, by name.
        targets: who signs the arrangement, where these are others.
    """
    targets = targets or circles
    online = _online(nodes)
    people = [*_people(circles), *_people(targets), *nodes.values()]
    return Root(
        expires=metadata.time_of(expires),
        version=version,
        keys=_keys(people),
        roles=Roles(_role(circles), online, _role(targets), online),
    )


def top(
    version: int,
    expires: int,
    arrangement: TargetInfo,
    circles: Mapping[str, Mapping[Nation, Custodians]],
) -> Targets:
    """Return the top-level targets, to be signed.

    Args:
        version: one more than that in force.
        expires: seconds UTC.
        arrangement: how its file is listed.
        circles: the custodians of each nation's role, by its name.
    """
    roles = []
    for nation in ALPHA3:
        role = _role(circles[nation])
        roles.append(
            Delegated(
                role.custodians, role.keyids, nation, paths_of(nation), True, role.threshold
            )
        )
    people = [each for nation in ALPHA3 for each in _people(circles[nation])]
    return Targets(
        expires=metadata.time_of(expires),
        version=version,
        delegations=Delegations(_keys(people), roles),
        targets={metadata.ARRANGEMENT: arrangement},
    )


def rearranged(view: View, after: Arrangement, expires: int) -> tuple[Targets, list[bytes]]:
    """Return the next top-level targets with another arrangement, and its file."""
    raw = trust.encode(after)
    version = view.version_of("targets") + 1
    return top(version, expires, metadata.info(raw), view.custodians), [raw]


def of_nation(
    view: View, nation: Nation, documents: Sequence[Document], expires: int
) -> tuple[Targets, list[bytes]]:
    """Return a nation's next metadata, to be signed, and the files that it newly lists.

    Args:
        view: what is in force; what it lists stays listed.
        nation: whose.
        documents: its members and nodes as they shall be; none renews what there is.
        expires: seconds UTC.
    """
    before = view.files.get(nation)
    listed = {
        path: TargetInfo(metadata.Hashes(told.hashes["sha256"]), told.length)
        for path, told in (before.signed.targets if before else {}).items()
    }
    fresh = {trust.path_of(each): trust.encode(each) for each in documents}
    listed |= {path: metadata.info(raw) for path, raw in fresh.items()}
    targets = Targets(
        expires=metadata.time_of(expires),
        version=view.version_of(nation) + 1,
        nation=nation,
        targets=listed,
    )
    return targets, [fresh[path] for path in sorted(fresh)]


def signed(made: Targets | Root, files: Iterable[bytes], signers: Sequence[Signer]) -> bytes:
    """Return a bundle, its metadata signed by each of these in their order."""
    return metadata.join(sign(made, signers), list(files))


def _people(circles: Mapping[Nation, Custodians]) -> list[Signatory]:
    return [each for circle in circles.values() for each in circle.signatories]


def _keys(people: Iterable[Signatory]) -> dict[str, metadata.Key]:
    return {key_of(jwk).keyid: key_of(jwk) for each in people for jwk in each.keys}


def _role(circles: Mapping[Nation, Custodians]) -> Role:
    told = {
        nation: Circle(
            [named(each.name, each.keys) for each in circle.signatories], circle.threshold
        )
        for nation, circle in circles.items()
    }
    listed = [each for circle in told.values() for each in circle.signatories]
    sizes = [
        size
        for circle in told.values()
        for size in sorted(len(each.keyids) for each in circle.signatories)[: circle.threshold]
    ]
    keyids = [keyid for each in listed for keyid in each.keyids]
    return Role(told, keyids, sum(sizes))


def _online(nodes: Mapping[str, Signatory]) -> Online:
    listed = [named(name, each.keys) for name, each in nodes.items()]
    keyids = [keyid for each in listed for keyid in each.keyids]
    return Online(keyids, listed, min(len(each.keyids) for each in listed))
