"""The guide for auditors, typed line by line beside the two nodes of a demo that goes on.

It plays the demo of two nations first, to its end: ``./run border``.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading

import pytest

from tests.cli.exercise import ROOT

TIMEOUT_S = 300
# What is typed of the verbs that end by themselves; comments go.
VERBS = "mirror|verify|search|anomalies"
LINE = rf"(?m)^    exchange ((?:--context \S+ )?audit (?:{VERBS}) .*?)(?:\s+#.*)?$"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The demo's story, while its nodes still run."""
    folder = tmp_path_factory.mktemp("guide")
    environment = {**os.environ, "HOME": str(folder), "EXCHANGE_HOME": str(folder / "none")}
    words = ["demo", "--nodes", "2", "--json", "--keep", str(folder / "kept")]
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "exchange", *words],
        env={**environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as demo:
        watchdog = threading.Timer(TIMEOUT_S, demo.kill)
        watchdog.start()
        yield json.loads(demo.stdout.readline())
        watchdog.cancel()
        demo.send_signal(signal.SIGINT)
        assert demo.wait(TIMEOUT_S) == 0


def test_the_case_is_told_to_its_end(told):
    text = "\n".join(line for each in told["told"] for line in each.values())
    assert "TAMPERED" in text


@pytest.mark.parametrize("guide", ["auditing.md", "auditing.es.md"])
def test_lines_of_the_guide_work_as_they_stand(told, tmp_path, guide):
    """In their order; a line that leaves the context open is Panama's auditor's."""
    text = (ROOT / "docs" / guide).read_text("utf-8")
    lines = re.findall(LINE, text)
    assert sum("audit mirror" in line for line in lines) >= 3
    for line in lines:
        ran = subprocess.run(
            [sys.executable, "-P", "-m", "exchange", *typed(line, told["anchor"])],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "EXCHANGE_HOME": told["home"],
                "EXCHANGE_PASSPHRASE_FILE": told["passphrase_file"],
                "EXCHANGE_CONTEXT": "pa.minseg-audit",
            },
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert (ran.returncode, bool(ran.stdout)) == (0, True), (line, ran.stdout, ran.stderr)


def typed(line, anchor):
    return shlex.split(line.replace("ANCHOR", anchor).replace("ANCLA", anchor))
