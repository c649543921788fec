"""The guide for auditors, typed line by line beside the two nodes of a demo that goes on.

It plays the demo of two nations first, to its end: ``./run border``.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.cli.exercise import ROOT

TIMEOUT_S = 300
# Every line that is typed; comments go.
LINE = r"(?m)^    exchange (.*?)(?:\s+#.*)?$"
# So many there are in each guide: none may go unseen.
LINES = 22


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
    assert len(lines) == LINES
    named = {"ANCHOR": told["anchor"], "journal.db": str(kept(told) / "node" / "journal.db")}
    for line in lines:
        if " ID" in line and "ID" not in named:
            named |= first_bulletin(told, tmp_path)
        words = [named.get(word, word) for word in line.split()]
        if "console" in words:
            opens_a_page(told, tmp_path, words)
            continue
        ran = typed(told, tmp_path, words)
        assert (ran.returncode, bool(ran.stdout)) == (0, True), (line, ran.stdout, ran.stderr)
    assert (tmp_path / "report.html").read_text("utf-8").startswith("<!doctype html>")
    assert len(list((tmp_path / "siem").glob("*.jsonl"))) == 2


def kept(told):
    """The folder that the demo leaves behind."""
    return Path(told["home"]).parent


def first_bulletin(told, folder):
    """The id and the index of a bulletin that Panama's node took from its own."""
    words = ["--journal", "pa", "--outcome", "accepted", "--oldest", "--json"]
    ran = typed(told, folder, ["audit", "search", "pa.db", "us.db", *words])
    row = json.loads(ran.stdout)["rows"][0]
    return {"ID": row["id"], "INDEX": str(row["index"])}


def typed(told, folder, words):
    return subprocess.run(
        command(words),
        **within(told, folder),
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def command(words):
    return [sys.executable, "-P", "-m", "exchange", *words]


def within(told, folder):
    """Where and how an auditor of Panama types."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "EXCHANGE_HOME": told["home"],
        "EXCHANGE_PASSPHRASE_FILE": told["passphrase_file"],
        "EXCHANGE_CONTEXT": "pa.minseg-audit",
    }
    return {"cwd": folder, "env": environment, "text": True}


def opens_a_page(told, folder, words):
    """The console prints a link, the link opens a session, and Ctrl-C ends it."""
    with running(told, folder, [*words, "--json"]) as console:
        link = json.loads(console.stdout.readline())["link"]
        host, path = link.removeprefix("http://").split("/", 1)
        connection = HTTPConnection("127.0.0.1", int(host.rpartition(":")[2]), timeout=30)
        headers = {"Host": host, "Sec-Fetch-Site": "none", "Sec-Fetch-Dest": "document"}
        connection.request("GET", f"/{path}", headers=headers)
        assert connection.getresponse().status == 303, words
        connection.close()
    assert console.returncode == 0, words


@contextmanager
def running(told, folder, words):
    """A command that goes on until Ctrl-C."""
    with subprocess.Popen(
        command(words), **within(told, folder), stdout=subprocess.PIPE
    ) as process:
        watchdog = threading.Timer(TIMEOUT_S, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.send_signal(signal.SIGINT)
            process.wait(30)
