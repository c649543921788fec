"""What npm installs for these tests: pinned by hash, from any registry, and written down."""

from __future__ import annotations

import json
import re

from tests.peers.javascript import HERE, LOCK

# MPL-2.0: axe-core, which only tests load and nothing ships.
LICENCES = {"MIT", "Apache-2.0", "BSD-3-Clause", "ISC", "MPL-2.0"}


def locked():
    packages = json.loads(LOCK.read_text("utf-8"))["packages"]
    return {path: told for path, told in packages.items() if path}


def test_lock_pins_each_package_by_hash_and_names_no_registry():
    assert locked()
    for path, told in locked().items():
        assert told["integrity"].startswith("sha512-"), path
        assert told["license"] in LICENCES, path
        # Else npm would fetch it from there, whatever registry this machine is told to use.
        assert "resolved" not in told, path
        assert not told.get("hasInstallScript"), path


def test_declared_versions_are_exact_and_the_locked_ones():
    declared = json.loads((HERE / "package.json").read_text("utf-8"))["dependencies"]
    assert declared == {name: locked()[f"node_modules/{name}"]["version"] for name in declared}


def test_third_party_list_names_every_package_and_no_other():
    text = (HERE.parents[1] / "THIRD-PARTY.md").read_text("utf-8")
    section = text.split("## JavaScript packages", 1)[1].split("\n## ", 1)[0]
    told = set(re.findall(r"(?m)^\| `([^`]+)` \|", section))
    assert told == {path.rpartition("node_modules/")[2] for path in locked()}


def test_client_is_no_longer_than_promised():
    most = {"exchange.mjs": 300, "trust.mjs": 166, "sealing.mjs": 35}
    for name, limit in most.items():
        lines = (HERE / name).read_text("utf-8").splitlines()
        assert len(lines) <= limit
        # Nor shortened by widening it.
        assert max(map(len, lines)) <= 110
