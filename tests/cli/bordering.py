"""Two nations' nodes that know each other, each in a process of its own, and their agencies."""

from __future__ import annotations

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from exchange.cli import found
from exchange.cli.found import Place, Site
from exchange.custody.founding import EndpointPlan, MemberPlan
from exchange.model.bulletin import TYPES
from tests.cli.exercise import PASSPHRASE, Exercise, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from exchange.model.trust import Label

_LABEL: Label = {"es": "EJERCICIO", "en": "EXERCISE"}
MEMBERS = [
    MemberPlan(
        "pa.senan",
        _LABEL,
        (EndpointPlan("pa.senan/ops", _LABEL, ("poster", "reader", "operator")),),
    ),
    MemberPlan(
        "us.jiatfs",
        _LABEL,
        (EndpointPlan("us.jiatfs/watch", _LABEL, ("poster", "reader", "operator")),),
    ),
]


class Side(Exercise):
    """One nation's node of a border."""

    def __init__(self, folder: Path, place: Place, port: int) -> None:
        self.folder, self.place, self.port = folder, place, port
        self.node, self.unlocked = None, {}
        self.log = folder / f"{place.node.name}.log"

    def diary(self, event: str) -> dict[str, Any]:
        """Wait until its diary has an event."""
        for _ in range(600):
            for line in self.log.read_text().splitlines():
                if line.startswith("{") and json.loads(line)["event"] == event:
                    found: dict[str, Any] = json.loads(line)
                    return found
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def peers(self, lang: str = "en") -> Any:
        """What ``exchange peers`` says in JSON, with its exit code."""
        ran = self.run("--lang", lang, "peers", "--state", str(self.place.node), "--json")
        return {**ran.json, "code": ran.code}

    def seen(self, wanted: Any) -> Any:
        """Wait until ``exchange peers`` says what is wanted."""
        told = None
        for _ in range(600):
            told = self.peers()
            if "peers" in told and wanted(told):
                return told
            time.sleep(0.05)
        raise AssertionError((told, self.log.read_text()))

    def evidence(self, where: str) -> list[Path]:
        return sorted((self.place.node / where).glob("*.evidence"))


class Border:
    """A Panama node and a US node, founded together; each the other's witness."""

    def __init__(self, folder: Path, ports: list[int] | None = None) -> None:
        self.folder = folder
        self.ports = ports or [free_port() for _ in range(4)]
        pa, pa_link, us, us_link = self.ports
        if ports is None:
            sites = [
                Site("pa", f"https://127.0.0.1:{pa}", f"127.0.0.1:{pa_link}", ("pa",)),
                Site("us", f"https://127.0.0.1:{us}", f"127.0.0.1:{us_link}", ("us",)),
            ]
            feeds = [found.feed("maritime", _LABEL, list(TYPES), MEMBERS)]
            self.place = found.write_sites(folder, sites, MEMBERS, feeds, PASSPHRASE)
            self.pa = Side(folder, self.place, pa)
            self.us = Side(folder, self.place._replace(node=folder / "node-us"), us)

    def copy(self, folder: Path) -> Border:
        """The same in another folder, not started; only one of the two may run."""
        shutil.copytree(self.folder, folder)
        made = Border(folder, self.ports)
        place = self.place._replace(node=folder / "node", home=folder / "home")
        made.place, made.pa = place, Side(folder, place, self.ports[0])
        made.us = Side(folder, place._replace(node=folder / "node-us"), self.ports[2])
        return made

    def start(self) -> None:
        """Start both, and return when both take bulletins."""
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda side: side.start(), (self.pa, self.us)))

    def stop(self) -> list[int]:
        """Stop both; their exit codes."""
        return [self.pa.stop(), self.us.stop()]
