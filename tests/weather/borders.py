"""What lies between two nodes: network namespaces where that may be, a TCP relay elsewhere.

Namespaces have no names: whoever runs in them keeps them, so that nothing is left of them once
the tests have ended, however that comes about. Interfaces are made inside of them alone: this
process moves into one of its own first, and back afterwards.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.cli.demo import free_port
from tests.weather.relay import READY, Door, Plan, Weather

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIDES = ("pa", "us")
_NEWNET = 0x40000000  # CLONE_NEWNET of <linux/sched.h>
_READY_S = 20.0


class Place(NamedTuple):
    """Where a node answers callers, where its link listens, and where the other calls that."""

    door: tuple[str, int]
    link: tuple[str, int]
    called: tuple[str, int]
    # What a command is started with that runs there.
    inside: Sequence[str] = ()


class Border(NamedTuple):
    """Both places, and the program between them."""

    kind: str
    places: dict[str, Place]
    between: subprocess.Popen[bytes]

    def weather(self, weather: Weather) -> None:
        """Let it be so from now on."""
        assert self.between.stdin is not None
        self.between.stdin.write(msgspec.json.encode(weather) + b"\n")
        self.between.stdin.flush()


def lacking() -> str:
    """Return what this machine lacks for namespaces; empty where it has all."""
    missing = [each for each in ("ip", "nsenter", "unshare") if shutil.which(each) is None]
    if missing:
        return f"no {', '.join(missing)} on this machine"
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "no root rights on Linux"
    probe = [
        "unshare",
        "--net",
        "ip",
        "link",
        "add",
        "x0",
        "type",
        "veth",
        "peer",
        "name",
        "x1",
    ]
    tried = subprocess.run(probe, capture_output=True, text=True, check=False)
    return f"no namespace with veth: {tried.stderr.strip()}" if tried.returncode else ""


@contextmanager
def border(kind: str, seed: int) -> Iterator[Border]:
    """Have a border of a kind, ``packets`` (in namespaces) or ``relay``, for a while."""
    with ExitStack() as stack:
        if kind == "packets":
            places = stack.enter_context(_namespaces())
            named = [f"{side}=border-{side}" for side in SIDES]
            words = ["tests.weather.carrying", str(seed), *named]
        else:
            places = _on_loopback()
            doors = [
                Door(caller, places[other].called, places[other].link)
                for caller, other in (SIDES, SIDES[::-1])
            ]
            plan = msgspec.json.encode(Plan(seed, doors)).decode()
            words = ["tests.weather.relay", plan]
        between = stack.enter_context(_started([sys.executable, "-m", *words]))
        assert between.stdout is not None
        assert between.stdout.readline() == READY
        yield Border(kind, places, between)


@contextmanager
def _started(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run what ends with its standard input, also where this process is killed."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(_READY_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _on_loopback() -> dict[str, Place]:
    host = "127.0.0.1"
    return {
        side: Place((host, free_port()), (host, free_port()), (host, free_port()))
        for side in SIDES
    }


@contextmanager
def _namespaces() -> Iterator[dict[str, Place]]:
    """Move into a namespace of our own, with one for each side beside it, and back."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        try:
            _ip("link", "set", "lo", "up")
            with ExitStack() as stack:
                yield {
                    side: _beside(stack, side, number) for number, side in enumerate(SIDES, 1)
                }
        finally:
            if libc.setns(home, _NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(home)


def _beside(stack: ExitStack, side: str, number: int) -> Place:
    """Make a side's namespace: an interface to its agencies (us), and one to the border."""
    holder = stack.enter_context(_started(["unshare", "--net", "cat"]))
    net, ours = f"/proc/{holder.pid}/ns/net", Path("/proc/thread-self/ns/net").stat().st_ino
    until = time.monotonic() + _READY_S
    while Path(net).stat().st_ino == ours and time.monotonic() < until:
        time.sleep(0.005)
    inside = ["nsenter", f"--net={net}"]
    for name in ("home", "border"):
        there = f"{name}-{side}", "type", "veth", "peer", "name", name, "netns"
        _ip("link", "add", *there, str(holder.pid))
        _ip("link", "set", f"{name}-{side}", "up")
        host = f"10.77.{number}.2/24" if name == "home" else f"10.77.9.{number}/24"
        _ip("addr", "add", host, "dev", name, inside=inside)
        _ip("link", "set", name, "gso_max_segs", "1", "up", inside=inside)
    _ip("addr", "add", f"10.77.{number}.1/24", "dev", f"home-{side}")
    _ip("link", "set", "lo", "up", inside=inside)
    link = (f"10.77.9.{number}", 9443)
    return Place((f"10.77.{number}.2", 8443), link, link, inside)


def _ip(*words: str, inside: Sequence[str] = ()) -> None:
    subprocess.run([*inside, "ip", *words], check=True)
