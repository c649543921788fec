"""What becomes of an answer that cannot be written, and where options may be said."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner

from exchange.cli import serve, state
from exchange.cli.main import cli
from exchange.errors import Code, Fault


def shell(words, **env):
    line = f"exec {sys.executable} -m exchange {words}"
    ran = subprocess.run(
        ["/bin/sh", "-c", line],
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, **env},
    )
    return ran.returncode, ran.stdout, ran.stderr.decode()


@pytest.mark.parametrize("words", ["--help", "explain expired --json"])
def test_answer_on_a_full_disk_is_a_fault_and_no_refusal(words):
    code, _, said = shell(f"{words} >/dev/full")
    assert code == 3
    assert said.count("unwritten") == 1
    assert "ENOSPC" in said
    assert "Traceback" not in said


def test_where_nobody_can_be_told_the_command_ends_as_it_would(tmp_path):
    """What was done ends with 0, and what was refused with its own code."""
    home = {"EXCHANGE_HOME": str(tmp_path)}
    for words in ("explain expired", "explain nothing-of-ours", "inbox", "check none.toml"):
        told, untold = shell(f"{words} 2>&1", **home)[0], shell(f"{words} 2>/dev/full", **home)
        assert untold[0] == told
    assert told == 2


def test_closed_output_and_letters_it_cannot_take_end_no_command():
    assert shell("explain expired >&-") == (0, b"", "")
    code, told, said = shell("--lang es explain expired", PYTHONIOENCODING="koi8-r")
    assert (code, said) == (0, "")
    assert b"\\xe9" in told or b"\\xf3" in told
    code, told, said = shell("explain expired --json", PYTHONIOENCODING="koi8-r")
    assert (code, said) == (0, "")
    assert "í" in told.decode("utf-8")


def test_reader_that_left_is_told_nothing_and_it_is_no_refusal():
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run(
        [sys.executable, "-m", "exchange", "explain", "expired"],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (3, b"")


def run(*words):
    return CliRunner().invoke(cli, words)


def test_language_and_json_are_taken_before_and_after_a_verb():
    spanish = run("--lang", "es", "explain", "expired").stdout
    assert "Por qué" in spanish
    assert run("explain", "expired", "--lang", "es", "--plain").stdout == spanish
    assert run("schema", "--lang", "es", "--help").stdout.startswith("Uso")
    as_json = run("explain", "expired", "--json").stdout
    assert as_json.startswith("{")
    assert run("--json", "explain", "expired").stdout == as_json
    assert run("--json", "schema", "show", "voi").stdout.startswith("{")


def test_address_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
        with pytest.raises(Fault) as told:
            serve._listening(address, socket.AF_INET)
    assert told.value.code is Code.CANNOT_LISTEN
    assert told.value.facts == {"name": f"127.0.0.1:{address[1]}", "found": "EADDRINUSE"}


def test_certificate_that_is_none_is_named(tmp_path):
    with pytest.raises(Fault) as told:
        state.State(tmp_path).must_serve_by("garbage", bytes(range(32)))
    assert told.value.code is Code.FILE
    assert told.value.facts["name"] == str(tmp_path / "certificate.pem")


def test_file_of_the_node_that_cannot_be_read_keeps_its_name(monkeypatch):
    def failing(work):
        work.close()
        raise PermissionError(13, "denied", "node.xk")

    monkeypatch.setattr(serve, "run_fast", failing)
    with pytest.raises(PermissionError, match=r"node\.xk"):
        serve.run(None, serve.How(("127.0.0.1", 0), 1.0), lambda: None)
