"""Our fold of trust documents and python-tuf's own client come to the same verdicts.

Each sequence of steps is folded here, and written down as the files of a TUF repository, which
``tuf.ngclient.Updater`` reads at a clock that stands still. The two must agree, step by step,
on whether a step is let in, on the versions in force after it, and on whether all of it holds.
Where we are stricter (a nation counted by itself, no version skipped or said again) no step is
made of it here: see the decision on TUF metadata.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from exchange.errors import Refusal
from exchange.model import metadata
from exchange.model.metadata import Hashes, MetaInfo, Snapshot, Targets, Timestamp
from exchange.model.view import View
from exchange.seal import trust, trust_keys, trust_making, trust_online
from tests.builders import (
    COAST,
    DAY,
    HOUR,
    NOW,
    OPS,
    Randomness,
    SoftwareSigner,
    World,
    suspended,
    world,
)
from tests.vectors.trusting import rearrangement

WORLD = world()
SIGNER = SoftwareSigner.of(WORLD.node.of("sign"))
ROLES = ("targets", "pa", "us")


class Files(FetcherInterface):
    """A repository in a dictionary; what is not there is not found."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = url.removeprefix("file:///")
        if name not in self.files:
            raise DownloadHTTPError(name, 404)
        yield self.files[name]


def _place(path: str, digest: str) -> str:
    """Where a target file lies: its digest stands before its name."""
    folder, _, name = path.rpartition("/")
    return f"targets/{folder}{'/' if folder else ''}{digest}.{name}"


class Two:
    """The same trust documents, here and in a TUF repository, at one time."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, NOW
        self.view = View(anchor=WORLD.anchor)
        self.files: dict[str, bytes] = {}
        for raw in WORLD.documents:
            self.files |= self.written(raw)
            self.view = trust.apply(raw, self.view, self.view.index + 1, NOW)
        self.local = folder / "local"
        assert self.theirs(self.files)

    @property
    def world(self) -> World:
        return WORLD._replace(view=self.view)

    def written(self, bundle: bytes) -> dict[str, bytes]:
        """The files of a repository that a bundle becomes."""
        read = metadata.read(bundle)
        signed, raw = read.file.signed, read.raw
        if isinstance(signed, metadata.Root):
            return {f"metadata/{signed.version}.root.json": raw}
        if isinstance(signed, Timestamp):
            version = signed.meta["snapshot.json"].version
            (snapshot,) = read.lines
            told = {f"metadata/{version}.snapshot.json": snapshot}
            return {"metadata/timestamp.json": raw, **told}
        assert isinstance(signed, Targets)
        found = {f"metadata/{signed.version}.{signed.role}.json": raw}
        kept = set(self.files)
        listed = [_place(path, told.hashes.sha256) for path, told in signed.targets.items()]
        fresh = [place for place in listed if place not in kept]
        return found | dict(zip(fresh, read.lines, strict=False))

    def step(self, bundle: bytes) -> bool:
        """Take a step in both ways, and compare; whether it was let in."""
        try:
            change = trust.judge(bundle, self.view, self.now)
            ours: View | None = self.view.after(change, self.view.index + 1)
        except Refusal:
            ours = None
        stamps = {}
        is_stamp = isinstance(metadata.read(bundle).file.signed, Timestamp)
        if not is_stamp:
            stamps = self.written(self.stamp(bundle))
        files = {**self.files, **self.written(bundle), **stamps}
        if ours is not None and not is_stamp:
            raw = trust_online.make("pa", ours, SIGNER, self.now, 2 * DAY)
            ours = ours.after(trust.judge(raw, ours, self.now), ours.index + 1)
            files |= self.written(raw)
        theirs = self.theirs(files)
        assert (theirs is not None) == (ours is not None and self.holds(ours))
        if ours is None:
            return False
        self.view, self.files = ours, files
        if theirs is not None:
            assert theirs == {name: ours.version_of(name) for name in ("root", *ROLES)}
        return True

    def stamp(self, bundle: bytes) -> bytes:
        """A timestamp of what a bundle says, true or not, by the node's own keys."""
        read = metadata.read(bundle)
        meta = {
            f"{name}.json": MetaInfo(Hashes(file.digest), file.size, file.version)
            for name in ROLES
            for file in (self.view.files[name],)
        }
        if isinstance(read.file.signed, Targets):
            told = metadata.info(read.raw)
            version = read.file.signed.version
            meta[f"{read.file.signed.role}.json"] = MetaInfo(told.hashes, told.length, version)
        return self.stamped(meta)

    def stamped(self, meta: Any, until: int = 2 * DAY, more: int = 1, **told: Any) -> bytes:
        expires = metadata.time_of(self.now + until)
        version = self.view.version_of("snapshots/pa") + 1
        snapshot = trust_keys.sign(
            Snapshot(expires=expires, version=version, meta=meta), [SIGNER]
        )
        info = metadata.info(snapshot)
        listed = MetaInfo(info.hashes, info.length, version)
        made = Timestamp(
            expires=expires,
            version=self.view.version_of("timestamps/pa") + more,
            meta={"snapshot.json": msgspec.structs.replace(listed, **told)},
        )
        return metadata.join(trust_keys.sign(made, [SIGNER]), [snapshot])

    def theirs(self, files: dict[str, bytes]) -> dict[str, int] | None:
        """What the Updater comes to: versions; None where it refuses or something ran out."""
        trial = self.folder / "trial"
        shutil.rmtree(trial, ignore_errors=True)
        if self.local.exists():
            shutil.copytree(self.local, trial)
        updater = Updater(
            str(trial),
            "file:///metadata/",
            str(self.folder),
            "file:///targets/",
            Files(files),
            bootstrap=WORLD.documents[0],
        )
        updater._trusted_set.reference_time = datetime.fromtimestamp(self.now, UTC)
        try:
            updater.refresh()
            self._read_all(updater)
        except (RepositoryError, DownloadError):
            return None
        shutil.rmtree(self.local, ignore_errors=True)
        shutil.copytree(trial, self.local)
        held: Any = updater._trusted_set
        return {name: held[name].version for name in ("root", *ROLES)}

    def _read_all(self, updater: Updater) -> None:
        for path in ("arrangement", "nodes/pa", "members/pa.senan", "members/us.uscg"):
            info = updater.get_targetinfo(f"{path}.json")
            if info is None:
                raise RepositoryError(path)
            updater.download_target(info, str(self.folder / "target"))

    def holds(self, view: View) -> bool:
        try:
            for nation in ("pa", "us"):
                view.must_hold(nation, self.now, "")
            view.must_be_timely("pa", self.now)
        except Refusal:
            return False
        return True


# -- steps -----------------------------------------------------------------------------------


def _toggled(two: Two, endpoint: str) -> bytes:
    status = two.view.endpoints[endpoint].endpoint.status
    other = "active" if status == "suspended" else "suspended"
    return two.world.amended(endpoint, lambda each: msgspec.structs.replace(each, status=other))


def _arranged(two: Two) -> Any:
    version = two.view.version_of("arrangement") + 1
    return rearrangement(WORLD, version=version, issued=two.now)


def _nation(two: Two, until: int, change: int = 0, by: int = 2) -> bytes:
    made, files = trust_making.of_nation(two.view, "pa", [], two.now + until)
    made = msgspec.structs.replace(made, version=made.version + change)
    return trust_making.signed(made, files, WORLD.founder.signers(["pa"])[:by])


def _mixed_file(two: Two) -> bytes:
    raw, line = _toggled(two, OPS).split(b"\n")
    return metadata.join(raw, [line.replace(b"EXERCISE", b"EXERCISF", 1)])


def _meta(two: Two, change: int) -> Any:
    found = {
        f"{name}.json": MetaInfo(Hashes(file.digest), file.size, file.version)
        for name in ROLES
        for file in (two.view.files[name],)
    }
    pa = found["pa.json"]
    found["pa.json"] = msgspec.structs.replace(pa, version=max(1, pa.version + change))
    return found


def _root(two: Two, *nations: Any) -> bytes:
    return two.world.signed(two.world.root(), nations or ("pa", "us"))


GOOD: dict[str, Callable[[Two], bytes]] = {
    "member": lambda two: _toggled(two, OPS),
    "other-member": lambda two: _toggled(two, COAST),
    "arrangement": lambda two: two.world.signed(_arranged(two)),
    "root": _root,
    "renewed": lambda two: _nation(two, 30 * DAY),
    "short": lambda two: _nation(two, HOUR),
    "stamp": lambda two: two.stamped(_meta(two, 0)),
}
BAD: dict[str, Callable[[Two], bytes]] = {
    "rolled-back": lambda two: _nation(two, DAY, change=-2),
    "under-threshold": lambda two: _nation(two, DAY, by=1),
    "unknown-signer": lambda two: two.world.signed_by(
        two.world.made(WORLD.member("pa.senan"))[0], *WORLD.founder.signers(["us"])
    ),
    "arrangement-by-one": lambda two: two.world.signed(_arranged(two), ["pa"]),
    "root-by-one": lambda two: _root(two, "us"),
    "expired": lambda two: _nation(two, 0),
    "wrong-file": _mixed_file,
    "wrong-snapshot": lambda two: two.stamped(_meta(two, 0), hashes=Hashes("0" * 64)),
    "wrong-length": lambda two: two.stamped(_meta(two, 0), length=1),
    "mixed-versions": lambda two: two.stamped(_meta(two, 1)),
    "stamp-of-old": lambda two: two.stamped(_meta(two, 0), more=-1),
    "stamp-expired": lambda two: two.stamped(_meta(two, 0), until=0),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_good_is_let_in_by_both(tmp_path, name) -> None:
    assert Two(tmp_path).step(GOOD[name](Two(tmp_path / "own")))


@pytest.mark.parametrize("name", BAD)
def test_what_is_bad_is_let_in_by_neither(tmp_path, name) -> None:
    two = Two(tmp_path)
    for _ in range(3):
        assert two.step(_toggled(two, OPS))
    assert not two.step(BAD[name](two))
    assert two.step(_toggled(two, COAST)), "and then it goes on"


def test_what_ran_out_holds_for_neither_until_it_is_mended(tmp_path) -> None:
    two = Two(tmp_path)
    assert two.step(_nation(two, HOUR))
    two.now += HOUR - 1
    assert two.theirs(two.files) is not None
    assert two.holds(two.view)
    two.now += 1
    assert two.theirs(two.files) is None
    assert not two.holds(two.view)
    # The other nation goes on, and is let in; but nothing of it holds as a whole.
    assert two.step(_toggled(two, COAST))
    assert not two.holds(two.view)
    assert two.step(_nation(two, DAY))
    assert two.holds(two.view)


def test_a_node_that_shows_nothing_new_is_frozen_for_both(tmp_path) -> None:
    two = Two(tmp_path)
    assert two.step(two.stamped(_meta(two, 0), until=HOUR))
    two.now += HOUR
    assert two.theirs(two.files) is None
    assert not two.holds(two.view)
    assert two.step(GOOD["stamp"](two))
    assert two.holds(two.view)


@pytest.mark.parametrize("seed", range(30))
def test_generated_sequence_has_the_same_verdicts(tmp_path, seed) -> None:
    two, steps = Two(tmp_path), {**GOOD, **BAD}
    names = list(steps)
    told = Randomness(f"sequence {seed}")(12)
    for one, other in zip(told[::2], told[1::2], strict=True):
        name = names[one % len(names)]
        # There is nothing older yet.
        if name in ("rolled-back", "stamp-of-old") and two.view.version_of("pa") < 3:
            name = "member"
        two.now += (other % 3) * HOUR // 2
        assert two.step(steps[name](two)) == (name in GOOD), name


def test_suspended_is_suspended(tmp_path) -> None:
    two = Two(tmp_path)
    two.step(two.world.amended(OPS, suspended))
    assert not two.view.endpoints[OPS].is_active
