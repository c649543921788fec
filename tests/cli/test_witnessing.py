"""The verb ``witness``: a folder, a process, and evidence that anybody can check."""

from __future__ import annotations

import asyncio
import json
import signal

import msgspec
import pytest

from exchange.cli import witness_state
from exchange.cli.serve import log_signers
from exchange.journal import forks, quorum
from exchange.journal.proofs import root_at
from exchange.journal.witness import Remembered
from exchange.link.courier import Courier
from exchange.store.witnessed import WitnessFiles
from tests.cli.exercise import PASSPHRASE
from tests.cli.watching import Watch
from tests.node.test_handover import NEW
from tests.node.witnessed import FORKED, HONEST, KEYS, NOW, ORIGIN, asked, signed

NEW_KEYS = [msgspec.structs.replace(each.key, name=ORIGIN) for each in log_signers("pa", NEW)]


@pytest.fixture
def logs(tmp_path):
    path = tmp_path / "logs.policy"
    lines = [f"log {key}\n" for key in KEYS]
    path.write_text("".join([*lines, "quorum none\n"]), encoding="utf-8")
    return path


def policy(line):
    return quorum.parse(f"{line}\nquorum {line.split()[1]}\n").witnesses[0]


def test_a_witness_is_founded_whole_and_says_how_a_policy_names_it(exercise, tmp_path):
    folder = tmp_path / "witness"
    words = ["witness", "found", str(folder), "--name", "us/witness", "--url"]
    told = exercise.run(*words, "https://127.0.0.1:8444", "--json").json
    named = policy(told["policy"])
    assert (named.name, named.key.name) == ("us/witness", "us/witness")
    assert named.url.startswith("https://127.0.0.1:8444#sha256=")
    assert not [each for each in folder.iterdir() if PASSPHRASE.encode() in raw(each)]
    again = exercise.run(*words, "https://127.0.0.1:8444")
    assert again.code == 2
    assert "not empty" in again.err


def raw(path):
    return path.read_bytes() if path.is_file() else b""


@pytest.mark.parametrize("name", ["US/witness", "us witness", "us+witness", ""])
def test_a_name_that_no_key_may_have_is_refused(exercise, tmp_path, name):
    words = ["witness", "found", str(tmp_path / "w"), "--url", "https://127.0.0.1:8444"]
    assert exercise.run(*words, "--name", name).code == 2
    assert not (tmp_path / "w").exists()


async def test_a_witness_runs_cosigns_and_remembers_over_a_kill(tmp_path):
    watch = Watch(tmp_path / "witness")
    watch.serve([f"log {key}" for key in KEYS])
    watch.start()
    async with Courier() as courier:
        named = policy(watch.line)
        assert (await courier.add(named, asked(0, 20).encode()))[0] == 200
        assert watch.stop(signal.SIGKILL) == -signal.SIGKILL
        watch.start()
        assert await courier.add(named, asked(0, 20, FORKED).encode()) == (409, b"20\n")
        assert (await courier.add(named, asked(20, 30).encode()))[0] == 200
    assert watch.stop() == 0


def test_a_witness_without_logs_or_with_an_older_memory_does_not_start(exercise, tmp_path):
    watch = Watch(tmp_path / "witness")
    words = ["witness", "up", "--state", str(watch.folder), "--listen", "127.0.0.1:0", "--json"]
    assert exercise.run(*words).json["error"]["code"] == "file"
    watch.serve([f"log {key}" for key in KEYS])
    (watch.state.memory / "marks.json").write_text(json.dumps({ORIGIN: 9}))
    assert exercise.run(*words).json["error"]["code"] == "witness-behind"


def test_a_witness_whose_list_lost_the_keys_it_cosigned_does_not_start(exercise, tmp_path):
    watch = Watch(tmp_path / "witness")
    asyncio.run(cosigned_once(watch))
    words = ["witness", "up", "--state", str(watch.folder), "--listen", "127.0.0.1:0", "--json"]
    watch.serve([f"log {key}" for key in NEW_KEYS])
    told = exercise.run(*words)
    assert told.json["error"]["code"] == "file"
    # Below the old ones, as they were handed over, they are what it goes on with.
    watch.serve([f"log {key}" for key in (*KEYS, *NEW_KEYS)])
    watch.start()
    assert watch.stop() == 0


async def cosigned_once(watch):
    recall = WitnessFiles.open(watch.state.memory)
    kept = Remembered(13, root_at(13, HONEST), signed(13), NOW)
    await recall.advance(ORIGIN, None, kept)
    await recall.close()


def test_how_far_and_what_evidence_is_said_of_a_witness_at_rest(exercise, tmp_path):
    watch = Watch(tmp_path / "witness")
    words = ["witness", "status", "--state", str(watch.folder), "--json"]
    assert exercise.run(*words).json == {"logs": [], "evidence": []}
    asyncio.run(convicted(watch))
    told = exercise.run(*words)
    (path,) = told.json["evidence"]
    assert told.code == 5
    assert path.endswith(".evidence")


async def convicted(watch):
    recall = WitnessFiles.open(watch.state.memory)
    await recall.keep(forks.of(signed(13), signed(13, FORKED)), convicts=True)
    await recall.close()


@pytest.mark.parametrize("lang", ["en", "es"])
def test_evidence_is_checked_by_anybody_who_has_the_logs_keys(exercise, tmp_path, logs, lang):
    path = tmp_path / "one.evidence"
    path.write_bytes(forks.of(signed(13), signed(13, FORKED)).encode())
    words = ["--lang", lang, "witness", "check", str(path), "--logs", str(logs)]
    told = exercise.run(*words)
    assert told.code == 5
    assert ("FORKED" if lang == "en" else "BIFURCADO") in told.out
    told = exercise.run(*words, "--json")
    known = {"log": ORIGIN, "proves": "forked", "sizes": [13, 13]}
    assert told.json == {**known, "keys_over": False}
    # Of keys that were handed over since it still holds, and it is said that they were.
    with logs.open("a", encoding="utf-8") as file:
        file.writelines(f"log {key}\n" for key in NEW_KEYS)
    told = exercise.run(*words)
    assert (told.code, ("cedidas" if lang == "es" else "handed over") in told.out) == (5, True)
    assert exercise.run(*words, "--json").json == {**known, "keys_over": True}


@pytest.mark.parametrize(
    ("evidence", "code"),
    [
        (forks.of(signed(13), signed(20)).encode(), "bad-proof"),
        (forks.of(signed(13, HONEST), signed(13, HONEST)).encode(), "bad-proof"),
        (b"nonsense", "malformed"),
    ],
    ids=range(3),
)
def test_what_proves_nothing_convicts_nobody(exercise, tmp_path, logs, evidence, code):
    path = tmp_path / "one.evidence"
    path.write_bytes(evidence)
    words = ["witness", "check", str(path), "--logs", str(logs), "--json"]
    told = exercise.run(*words)
    assert (told.code, told.json["error"]["code"]) == (1, code)


def test_evidence_against_a_log_that_is_not_listed_convicts_nobody(exercise, tmp_path):
    path = tmp_path / "one.evidence"
    path.write_bytes(forks.of(signed(13), signed(13, FORKED)).encode())
    other = tmp_path / "other.policy"
    keys = exercise.run("journal", "keys", "--state", str(exercise.place.node)).out
    other.write_text(f"{keys}quorum none\n", encoding="utf-8")
    told = exercise.run("witness", "check", str(path), "--logs", str(other), "--json")
    assert (told.code, told.json["error"]["code"]) == (1, "bad-checkpoint")


def test_a_nodes_keys_are_printed_as_a_witness_lists_them(exercise):
    words = ["journal", "keys", "--state", str(exercise.place.node)]
    lines = exercise.run(*words).out
    logs = quorum.parse(f"{lines}quorum none\n").logs_by_origin()
    assert list(logs) == ["exchange/pa"]
    ((first, second),) = logs["exchange/pa"]
    told = exercise.run(*words, "--json").json
    assert told == {"log": "exchange/pa", "lines": lines.splitlines(), "next": []}
    assert lines == f"log {first}\nlog {second}\n"


def test_an_exercise_is_founded_with_witnesses_and_without_what_says_nothing(
    exercise, tmp_path
):
    watch = Watch(tmp_path / "witness")
    path = tmp_path / "policy"
    path.write_text(f"# of both\n\n\t{watch.line}\nquorum {watch.name}\n", encoding="utf-8")
    words = ["found", str(tmp_path / "x"), "--url", "https://127.0.0.1:8443", "--witnesses"]
    assert exercise.run(*words, str(path)).code == 0
    for text in ("quorum none\n", "nonsense\n"):
        path.write_text(text, encoding="utf-8")
        assert exercise.run(*words[:1], str(tmp_path / "y"), *words[2:], str(path)).code == 2
    assert witness_state.WitnessState(watch.folder).settings().name == watch.name
