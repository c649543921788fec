"""docker-compose.yml: nothing in it that is not known, and each of its commands starts here.

No container engine is asked for: the image itself is built where there is one. What a container
adds (networks, mounts, rights) is held to the file; what runs in it is run on this machine.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from OpenSSL import SSL

ROOT = Path(__file__).resolve().parent.parent
STATE = "/var/lib/exchange"
# What each thing may have, by where it stands; None: anything, held to below.
SERVICE = {
    *("build", "image", "read_only", "tmpfs", "cap_drop", "security_opt", "pids_limit", "init"),
    *("restart", "stop_grace_period", "profiles", "command", "networks", "network_mode"),
    *("ports", "environment", "secrets", "volumes", "healthcheck"),
}
KNOWN = [
    (r"", {"services", "networks", "volumes", "secrets"}),
    (r"/services/[a-z-]+", SERVICE),
    (
        r"/services/[a-z-]+/healthcheck",
        {"interval", "timeout", "start_period", "retries", "test"},
    ),
    (r"/services/[a-z-]+/environment", {"EXCHANGE_PASSPHRASE_FILE", "EXCHANGE_CLOCK_IS_RIGHT"}),
    (r"/services/[a-z-]+/networks/[a-z]+", {"ipv4_address"}),
    (r"/networks/[a-z]+", {"internal", "ipam"}),
    (r"/networks/[a-z]+/ipam", {"config"}),
    (r"/networks/[a-z]+/ipam/config/0", {"subnet"}),
    (r"/volumes/[a-z-]+", set()),
    (r"/secrets/[a-z-]+", {"file"}),
]
NAMED = {"/services", "/networks", "/volumes", "/secrets"}


def strange(value: Any, at: str = "") -> list[str]:
    """Return where there are keys that nobody knows here."""
    if isinstance(value, list):
        return [each for n, inner in enumerate(value) for each in strange(inner, f"{at}/{n}")]
    if not isinstance(value, dict):
        return []
    known = next((keys for form, keys in KNOWN if re.fullmatch(form, at)), None)
    is_named = at in NAMED or re.fullmatch(r"/services/[a-z-]+/networks", at)
    found = []
    for key, inner in value.items():
        if not at and key.startswith("x-"):
            continue  # what stands there is seen where it is used
        if key in known if known is not None else is_named:
            found += strange(inner, f"{at}/{key}")
        else:
            found.append(f"{at}/{key}")
    return found


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))


@pytest.fixture(scope="module")
def nodes(compose: Any) -> Any:
    services = compose["services"].items()
    return {name: each for name, each in services if each["command"][0] == "up"}


def test_nothing_in_the_file_is_unknown(compose: Any) -> None:
    assert strange(compose) == []


@pytest.mark.parametrize(
    ("at", "key"),
    [
        ("", "include"),
        ("/services/node", "privileged"),
        ("/services/node", "x-anything"),
        ("/services/node-pa/environment", "EXCHANGE_PASSPHRASE"),
        ("/services/node-pa/networks/border", "aliases"),
        ("/services/founder/healthcheck", "disable"),
        ("/networks/pa", "driver_opts"),
        ("/volumes/state", "external"),
        ("/secrets/passphrase", "environment"),
    ],
)
def test_a_key_that_nobody_knows_is_found(compose: Any, at: str, key: str) -> None:
    changed = deepcopy(compose)
    place = changed
    for name in at.split("/")[1:]:
        place = place.setdefault(name, {})
    place[key] = {"a": "b"}
    assert f"{at}/{key}" in strange(changed)


def test_every_container_has_nothing_it_does_not_need(compose: Any) -> None:
    for name, each in compose["services"].items():
        assert each["read_only"] is True, name
        assert each["cap_drop"] == ["ALL"], name
        assert each["security_opt"] == ["no-new-privileges:true"], name
        assert all("noexec" in mount for mount in each["tmpfs"]), name
        assert each.get("network_mode", "none") == "none", name
        # Named volumes, none of the machine's own folders, and nothing elsewhere.
        mounts = [mount.split(":") for mount in each["volumes"]]
        assert {source for source, _ in mounts} <= compose["volumes"].keys(), name
        assert all(target.startswith(STATE) for _, target in mounts), name


def test_secrets_are_files_and_no_container_has_another_ones(compose: Any) -> None:
    word = "${EXCHANGE_CLOCK_IS_RIGHT:-}"
    for each in compose["services"].values():
        (secret,) = each["secrets"]
        assert secret in compose["secrets"]
        told = dict(each["environment"])
        # The operator's word for one start: nothing unless it is said.
        assert told.pop("EXCHANGE_CLOCK_IS_RIGHT", word) == word
        assert told == {"EXCHANGE_PASSPHRASE_FILE": f"/run/secrets/{secret}"}
    for secret in compose["secrets"].values():
        assert re.fullmatch(r"\$\{EXCHANGE_.*PASSPHRASE_FILE.*\}", secret["file"])
    pa, us = (
        {*node["secrets"], *(mount.partition(":")[0] for mount in node["volumes"])}
        for node in (compose["services"][name] for name in ("node-pa", "node-us"))
    )
    assert not pa & us


def test_every_node_keeps_its_state_in_its_volume_and_is_asked_how_it_is(nodes: Any) -> None:
    for name, node in nodes.items():
        (mount,) = node["volumes"]
        assert node["command"][2].startswith(mount.partition(":")[2]), name
        assert node["healthcheck"]["test"][:3] == ["CMD", "python", "-c"], name
        assert "/livez" in node["healthcheck"]["test"][3], name


def test_profiles_are_one_node_for_both_nations_or_one_for_each(compose: Any) -> None:
    profiles: dict[str, set[str]] = {}
    for name, each in compose["services"].items():
        (profile,) = each["profiles"]
        profiles.setdefault(profile, set()).add(name)
    assert profiles == {
        "one": {"node"},
        "federation": {"node-pa", "node-us"},
        "founding": {"founder", "founder-one"},
    }


def test_each_nation_has_its_network_and_only_nodes_meet_at_the_border(
    compose: Any, nodes: Any
) -> None:
    assert compose["networks"]["border"]["internal"] is True
    founded = dict(
        each[2:].split("=") for each in compose["services"]["founder"]["command"][2:]
    )
    for nation, link in (("pa", "link"), ("us", "us-link")):
        node = nodes[f"node-{nation}"]
        assert node["networks"].keys() == {nation, "border"}
        # Agencies are answered on their nation's network, the other node at the border.
        at_home, at_border = (node["networks"][n]["ipv4_address"] for n in (nation, "border"))
        assert node["command"][-1] == node["healthcheck"]["test"][-1] == f"{at_home}:8443"
        assert founded[link] == f"{at_border}:8444"
        for name in (nation, "border"):
            (subnet,) = compose["networks"][name]["ipam"]["config"]
            assert subnet["subnet"].rpartition(".")[0] in node["networks"][name]["ipv4_address"]
    assert nodes["node"]["networks"] == ["agencies"]


def test_published_are_the_agencies_ports_and_unless_told_on_loopback(nodes: Any) -> None:
    for name, node in nodes.items():
        (port,) = node["ports"]
        assert re.fullmatch(r"\$\{EXCHANGE_\w*ADDRESS:-127\.0\.0\.1:\d+\}:8443", port), name
        assert node["command"][-1].endswith(":8443"), name


# --- the image -------------------------------------------------------------------------


def test_image_is_not_run_by_its_superuser_and_starts_what_compose_starts(nodes: Any) -> None:
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users
    assert users[-1] not in {"root", "0"}
    assert any("--require-hashes" in line for line in lines)
    (command,) = [line.removeprefix("CMD ") for line in lines if line.startswith("CMD ")]
    assert json.loads(command) == nodes["node"]["command"]
    assert 'ENTRYPOINT ["exchange"]' in lines
    # An empty volume is its user's only where the image has the folder.
    folders = " ".join(line for line in lines if f"{STATE}/" in line).split()
    assert {f"{STATE}/node", f"{STATE}/node-us"} <= set(folders)


# --- every command, outside a container ------------------------------------------------


class Outside:
    """The services' commands on this machine: other addresses and folders, and nothing else."""

    def __init__(self, compose: Any, folder: Path) -> None:
        self._services = compose["services"]
        self._folder = folder
        # Two runs of these tests do not meet.
        self._net = f"127.{os.getpid() % 250 + 1}"
        (folder / "passphrase").write_text("exercise-secret\n")

    def words(self, service: str) -> list[str]:
        return [self._here(word) for word in self._services[service]["command"]]

    def question(self, service: str) -> list[str]:
        return [
            sys.executable,
            *map(self._here, self._services[service]["healthcheck"]["test"][2:]),
        ]

    def _here(self, word: str) -> str:
        word = word.replace(STATE, str(self._folder)).replace("10.83.", f"{self._net}.")
        return re.sub(r"(0\.0\.0\.0|127\.0\.0\.1)(?=:)", f"{self._net}.3.1", word)

    def start(self, service: str, **more: Any) -> subprocess.Popen[str]:
        env = {**os.environ, "EXCHANGE_PASSPHRASE_FILE": str(self._folder / "passphrase")}
        command = [sys.executable, "-m", "exchange", *self.words(service)]
        return subprocess.Popen(command, cwd=ROOT, env=env, text=True, **more)


@pytest.fixture(scope="module")
def outside(compose: Any, tmp_path_factory: pytest.TempPathFactory) -> Outside:
    return Outside(compose, tmp_path_factory.mktemp("compose"))


def group_at(address: str) -> str | None:
    """Shake hands as a stranger with a new OpenSSL does, and say in which group."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.settimeout(None)
        probe = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), line)
        probe.set_connect_state()
        probe.do_handshake()
        return probe.get_group_name()


def status_of(address: str, path: str) -> int:
    context = ssl._create_unverified_context()  # noqa: S323  (what is there, not who)
    line = http.client.HTTPSConnection(address, context=context, timeout=20)
    line.request("GET", path)
    status = line.getresponse().status
    line.close()
    return status


@pytest.fixture(scope="module")
def federation(outside: Outside) -> Any:
    (outside._folder / "node").mkdir()  # as volumes are: there, and empty
    (outside._folder / "node-us").mkdir()
    with outside.start("founder", stdout=subprocess.PIPE) as founding:
        told = founding.communicate(timeout=60)[0]
    assert founding.returncode == 0, told
    both = [outside.start(name, stdout=subprocess.PIPE) for name in ("node-pa", "node-us")]
    try:
        for node in both:
            assert node.stdout is not None
            assert node.stdout.readline()  # it says where it answers, once it does
        yield outside
    finally:
        for node in both:
            node.terminate()
            node.communicate(timeout=30)


@pytest.mark.parametrize(
    ("service", "option"), [("node-pa", "--link="), ("node-us", "--us-link=")]
)
def test_each_address_answers_its_own_callers_by_a_post_quantum_group(
    federation: Outside, service: str, option: str
) -> None:
    asked = subprocess.run(federation.question(service), check=False, timeout=30)
    assert asked.returncode == 0
    home, words = federation.words(service)[-1], federation.words("founder")
    (link,) = [word.partition("=")[2] for word in words if word.startswith(option)]
    assert {group_at(home), group_at(link)} == {"X25519MLKEM768"}
    # Agencies at the one, the other node at the other, and neither where the other is asked.
    assert (status_of(home, "/v1/nonce"), status_of(link, "/nonce")) == (200, 200)
    assert 200 not in {status_of(home, "/nonce"), status_of(link, "/v1/nonce")}
    for address, port in ((home, 8444), (link, 8443)):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address.partition(":")[0], port), timeout=20)


def test_one_node_for_both_nations_is_founded_started_found_healthy_and_ended(
    compose: Any, tmp_path: Path
) -> None:
    alone = Outside(compose, tmp_path)
    with alone.start("founder-one", stdout=subprocess.PIPE) as founding:
        told = founding.communicate(timeout=60)[0]
    assert founding.returncode == 0, told
    asked = subprocess.run(
        alone.question("node"), check=False, timeout=30, stderr=subprocess.DEVNULL
    )
    assert asked.returncode != 0, "nothing answers yet"
    with alone.start("node", stdout=subprocess.PIPE) as node:
        try:
            assert node.stdout is not None
            assert node.stdout.readline()
            asked = subprocess.run(alone.question("node"), check=False, timeout=30)
            assert asked.returncode == 0
            node.terminate()
            assert node.wait(30) == 0
        finally:
            node.kill()
