"""The demo's attacks: told live by real processes, and each ends with evidence."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from exchange.cli.main import cli


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("attack", "code", "proved"),
    [("rollback", "journal-behind", "ROLLED BACK"), ("fork", "journal-forked", "REWRITTEN")],
)
def test_an_attack_ends_with_evidence_that_convicts_the_node(tmp_path, attack, code, proved):
    shown = [each["shown"] for each in _told(tmp_path, attack) if "shown" in each]
    assert shown[0].startswith(f"{code}: ")
    assert proved in shown[1]


@pytest.mark.timeout(300)
def test_what_is_withheld_is_named_by_who_misses_it_or_by_who_counts_again(tmp_path):
    told = _told(tmp_path, "withhold")
    gap, _, false, _ = [each["shown"] for each in told if "shown" in each]
    # Two were held before: the third of those that were posted since.
    assert gap.startswith("inbox-gap: ")
    assert "4" in gap
    assert false.startswith("entry-untrue: ")
    kept = [each["en"] for each in told if each.get("en", "").startswith("Kept")]
    assert [".owed" in kept[0], ".tlog-proof" in kept[1]] == [True, True]


def _told(tmp_path, attack):
    environment = {**os.environ, "HOME": str(tmp_path), "EXCHANGE_LANG": "en"}
    words = ["demo", "--attack", attack, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "exchange", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)["told"]


def test_attack_is_not_played_between_two_nodes():
    ran = CliRunner().invoke(cli, ["demo", "--attack", "fork", "--nodes", "2"])
    assert ran.exit_code == 2
    assert "--nodes" in ran.output
