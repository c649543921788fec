"""A founded exercise on disk, and its node as a process that can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from exchange.cli import found, state, world
from exchange.client.transport import Profile, Transport
from exchange.custody.founding import EndpointPlan, MemberPlan
from exchange.model import objects
from exchange.model.header import Blob, Header, Marking, Precedence, TrustPoint
from exchange.model.identity import digest, uuid7
from exchange.model.trust import Label, Role
from exchange.model.view import View
from exchange.seal import jws, trust
from exchange.seal.close import UNSEALED, Envelope, close
from exchange.seal.software import SoftwareSigner

ROOT = Path(__file__).resolve().parents[2]
POSTERS = ("pa.exercise/alfa", "pa.exercise/bravo", "pa.exercise/charlie", "us.exercise/delta")
OPERATOR = POSTERS[2]
AUDITOR = "pa.exercise/audit"
READERS = ("us.exercise/delta", "us.exercise/echo", "pa.exercise/alfa", "pa.exercise/bravo")
TEXT = b'{"exercise":"EXERCISE / EJERCICIO: crash"}'
_PASSPHRASE = "exercise"  # noqa: S105  (opens keys of an exercise that ends with the test)
_START_S = 60
_ORPHAN_S = 10
_DAY_S = 86_400


class Broken(AssertionError):  # noqa: N818  (a check is broken, not in error)
    """A check that did not hold, by its name."""

    def __init__(self, check: str, told: str) -> None:
        super().__init__(f"{check}: {told}")
        self.check = check


class Exercise:
    """Two agencies, their keys, and the folder of the node that serves both."""

    def __init__(self, folder: Path) -> None:
        title: Label = {"es": "EJERCICIO", "en": "EXERCISE"}
        everyone = sorted({*POSTERS, *READERS, AUDITOR})
        usual: tuple[Role, ...] = ("poster", "reader")
        roles: dict[str, tuple[Role, ...]] = {
            OPERATOR: (*usual, "operator"),
            AUDITOR: ("auditor",),
        }
        members = [
            MemberPlan(
                name,
                title,
                tuple(
                    EndpointPlan(each, title, roles.get(each, usual))
                    for each in everyone
                    if each.startswith(f"{name}/")
                ),
            )
            for name in ("pa.exercise", "us.exercise")
        ]
        feeds = [found.feed("maritime", title, ["voi"], members)]
        place = found.write(folder, 0, members, feeds, _PASSPHRASE)
        self.folder, self.founded = place.node, place.founded
        self.second = place.node / "second"
        self.second.mkdir()
        settings = state.State(place.node).settings()
        settings = msgspec.structs.replace(settings, second=self.second.name)
        (place.node / state.SETTINGS).write_bytes(msgspec.json.encode(settings))
        self.certificate = (place.node / state.CERTIFICATE).read_text(encoding="ascii")
        self.signers = {
            name: SoftwareSigner.of(secrets.of("sign"))
            for name, secrets in place.founded.endpoints.items()
        }
        self.view = View(anchor=place.founded.anchor)
        for index, document in enumerate(place.founded.documents):
            self.view = trust.apply(document, self.view, index, world.now())

    @property
    def journal(self) -> Path:
        return state.State(self.folder).journal

    def envelope(
        self,
        poster: str,
        to: Sequence[str],
        attachments: Sequence[Blob] = (),
        sealed_to: Sequence[str] = (),
        precedence: Precedence = "priority",
    ) -> Envelope:
        """A bulletin; sealed to others than it is addressed to, it is to be refused."""
        now = world.now()
        header = Header(
            v="xb1",
            suite="xb1-h",
            id=new_id(),
            origin=poster.partition("/")[0],
            endpoint=poster,
            type="voi",
            schema="1.0",
            verb="new",
            status="exercise",
            feed="maritime",
            to=sorted(to),
            marking=Marking("amber", ["PAN", "USA"], [], originator_control=False),
            declares=[],
            precedence=precedence,
            observed=None,
            issued=now,
            due=None,
            expires=now + _DAY_S,
            retain_until=now + _DAY_S,
            regime=None,
            refs=[],
            commit="A" * 43,
            body=UNSEALED,
            attachments=list(attachments),
            trust=TrustPoint(self.view.position, self.view.heads[-1]),
        )
        keys = [
            self.view.sealing_key(name, "HPKE-9-KE", now).jwk for name in sealed_to or header.to
        ]
        return close(TEXT, header, keys, self.signers[poster], world.randomness)

    def ack(self, by: str, raw: bytes, header: Header) -> bytes:
        payload = objects.Acknowledgement(
            v="xb1",
            suite="xb1-h",
            id=new_id(),
            origin=by.partition("/")[0],
            endpoint=by,
            of=objects.Subject(header.endpoint, header.id, digest(raw)),
            outcome="opened",
            at=world.now(),
            officer="exercise-officer",
        )
        return jws.sign(msgspec.json.encode(payload), objects.ACK_TYP, [self.signers[by]])

    def transport(self, endpoint: str, port: int) -> Transport:
        return Transport(self.profile(endpoint, port), self.signers[endpoint], world.now)

    def profile(self, endpoint: str, port: int) -> Profile:
        return Profile(
            endpoint,
            found.NODE,
            f"https://127.0.0.1:{port}",
            self.certificate,
            self.view.anchor,
        )


def new_id() -> str:
    return uuid7(world.clock_ms(), world.randomness(10))


class NodeProcess:
    """The node as its operator starts it; ``fault`` starts one that was tampered with."""

    def __init__(self, exercise: Exercise, fault: str | None = None) -> None:
        self._said = exercise.folder / "said.jsonl"
        program = ["tests.crash.planted", fault] if fault else ["exchange"]
        rest = ["up", "--state", str(exercise.folder), "--listen", "127.0.0.1:0"]
        environment = {**os.environ, "EXCHANGE_PASSPHRASE": _PASSPHRASE}
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *program, *rest, "--checkpoint-every", "0.2", "--json"],
                cwd=ROOT,
                env=environment,
                stderr=said,
                stdout=subprocess.DEVNULL,
            )
        self.port = 0

    def ready(self) -> bool:
        """Wait until it serves; False when it ended instead."""
        until = time.monotonic() + _START_S
        while self.process.poll() is None and time.monotonic() < until:
            for line in self.diary():
                if line.get("event") == "ready":
                    self.port = int(line["port"])
                    return True
            time.sleep(0.02)
        return False

    def diary(self) -> list[dict[str, Any]]:
        lines = self._said.read_bytes().split(b"\n")[:-1]
        return [msgspec.json.decode(line) for line in lines if line.startswith(b"{")]

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed; what it started must end by itself."""
        started = self._started()
        self.process.kill()
        self.process.wait()
        until = time.monotonic() + _ORPHAN_S
        while left := [pid for pid in started if _is_running(pid)]:
            if time.monotonic() > until:
                raise Broken("no-orphans", f"{len(left)} processes outlived their node")
            time.sleep(0.01)

    def _started(self) -> list[int]:
        mine = self.process.pid
        try:
            children = Path(f"/proc/{mine}/task/{mine}/children").read_text(encoding="ascii")
        except OSError:  # it has ended already
            return []
        return [int(pid) for pid in children.split()]


def _is_running(pid: int) -> bool:
    try:
        state_of = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2]
    except OSError:
        return False
    return state_of.split()[0] != "Z"
