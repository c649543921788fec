"""The demo's attacks: told live by real processes, and each ends with evidence."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("attack", "code", "proved"),
    [("rollback", "journal-behind", "ROLLED BACK"), ("fork", "journal-forked", "REWRITTEN")],
)
def test_an_attack_ends_with_evidence_that_convicts_the_node(tmp_path, attack, code, proved):
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
    story = json.loads(done.stdout)
    shown = [each["shown"] for each in story["told"] if "shown" in each]
    assert shown[0].startswith(f"{code}: ")
    assert proved in shown[1]
