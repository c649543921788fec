"""The demo tells what it was given: edit an input, and what it tells is another story."""

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exchange import resources
from exchange.cli.demo import free_port, running, tell_how_to_try
from exchange.cli.demo_case import Stage
from exchange.cli.demo_drafts import Drafts
from exchange.cli.home import Home
from exchange.cli.main import VERBS, Session
from exchange.client.outbox import Outbox
from exchange.client.transport import Profile

TIMEOUT_S = 110


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """One whole run on drafts of which two were edited; the story, as JSON.

    It goes on until it is interrupted: ``tried`` has what came of the lines that it prints.
    """
    folder = tmp_path_factory.mktemp("demo")
    inputs = folder / "inputs"
    shutil.copytree(resources.schemas() / "v1" / "examples", inputs)
    edit(inputs / "voi-1.es.toml", "EXERCISE GAVIOTA", "EXERCISE ALBATROS")
    edit(inputs / "cor-1.es.toml", "811.4", "799.5")
    environment = {**os.environ, "HOME": str(folder), "EXCHANGE_HOME": str(folder / "none")}
    words = ["demo", "--json", "--inputs", str(inputs), "--keep", str(folder / "kept")]
    with subprocess.Popen(
        [sys.executable, "-m", "exchange", *words],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as demo:
        watchdog = threading.Timer(TIMEOUT_S, demo.kill)
        watchdog.start()
        assert demo.stdout is not None
        story = json.loads(demo.stdout.readline())
        watchdog.cancel()
        story["tried"] = tried(story)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(TIMEOUT_S) == 0
        assert demo.stdout.read() == "", "in JSON it says one thing"
    story["text"] = "\n".join(line for each in story["told"] for line in each.values())
    story["kept"] = folder / "kept"
    return story


def tried(story) -> dict[str, Any]:
    """Run each line that a going demo prints, as it stands; the JSON answer by verb."""
    folder, port = Path(story["folder"]), int(story["url"].rpartition(":")[2])
    stage = Stage(folder, Drafts(folder, folder), port, story["anchor"], {}, is_quiet=True)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        tell_how_to_try(Session(Home(folder), None, "en"), stage)
    head, *lines = printed.getvalue().strip().splitlines()
    assert story["url"] in head
    set_first = [line.removeprefix("  export ").split("=", 1) for line in lines[:2]]
    assert dict(set_first)["EXCHANGE_HOME"] == story["home"]
    assert dict(set_first)["EXCHANGE_PASSPHRASE_FILE"] == story["passphrase_file"]
    answers = {}
    for line in lines[2:]:
        name, *words = shlex.split(line)
        assert name == "exchange"
        verb = next(each for each in words if each in VERBS)
        more = ["--yes"] if verb == "post" else []
        done = subprocess.run(
            [sys.executable, "-m", "exchange", *words, *more, "--json"],
            env={**os.environ, **dict(set_first)},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        answers[verb] = json.loads(done.stdout)
    return answers


def edit(path, before: str, after: str) -> None:
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after), "utf-8")


def test_an_edited_draft_changes_what_the_other_nation_reads(told) -> None:
    assert "EXERCISE ALBATROS" in told["text"]
    assert "exactly 799.5 kg" in told["text"]
    assert "811.4" not in told["text"].split("STA")[0]


@pytest.mark.parametrize("kind", ["VOI", "SZR", "RFI", "RPY", "COR", "CAN", "STA", "DLG"])
def test_every_type_of_the_case_was_opened_and_shown(told, kind) -> None:
    assert f"{kind} — " in told["text"]


def test_statistics_carry_the_published_totals(told) -> None:
    assert "al menos 58 t" in told["text"]
    assert "al menos 68 t" in told["text"]


def test_statistics_cite_the_seizure_that_this_demo_posted(told) -> None:
    (cited,) = re.findall(
        r'bulletins = \["(.+)"\]', (told["kept"] / "drafts" / "sta-2.en.toml").read_text()
    )
    context = Home(told["kept"] / "home").current("pa.senan-ops")
    words = (told["kept"] / "passphrase").read_text().strip()
    with closing(context.cabinet(context.unlocked_with(words))) as mail:
        assert Outbox(mail).receipt(cited) is not None
    assert cited in told["text"].split("STA — ")[1].split("DLG — ")[0]


def test_lines_that_a_going_demo_prints_work_as_they_stand(told) -> None:
    tried = told["tried"]
    assert list(tried) == ["context", "inbox", "check", "post", "audit"]
    types = [item["type"] for item in tried["inbox"]["items"]]
    # What a cancellation orders to be purged comes when the node looks for it.
    assert types.count("purge") == 1
    types.remove("purge")
    assert types == ["voi", "szr", "cor", "rfi", "ack", "dlg"]
    assert tried["post"]["sent"]
    assert tried["audit"]["ok"]


def test_four_are_refused_on_purpose_each_with_its_code(told) -> None:
    for code in ("not-releasable", "signature-count", "digest-mismatch", "not-yours"):
        assert f" {code}. " in told["text"]
    assert told["text"].count("It stands in entry ") == 3
    assert told["text"].count("It is counted, and not journaled.") == 1


def test_the_record_is_intact_and_the_flipped_bit_is_found(told) -> None:
    assert re.search(r"Íntegro(\.| hasta el asiento \d+\.) Cada asiento", told["text"])
    assert "TAMPERED." in told["text"]
    assert "ALTERADO" not in told["text"]


def test_both_nations_read_in_their_own_language(told) -> None:
    assert "NOT A REAL EVENT" in told["text"]
    assert "NO ES UN HECHO REAL" in told["text"]


def test_what_is_kept_is_for_its_owner_alone(told) -> None:
    assert told["kept"].stat().st_mode & 0o777 == 0o700
    assert (told["kept"] / "passphrase").stat().st_mode & 0o777 == 0o600


def test_what_is_kept_goes_on_working(told) -> None:
    environment = {
        **os.environ,
        "EXCHANGE_HOME": str(told["kept"] / "home"),
        "EXCHANGE_PASSPHRASE_FILE": str(told["kept"] / "passphrase"),
    }
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "exchange",
            "audit",
            "log",
            str(told["kept"] / "mirror.db"),
            "--json",
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    kinds = [entry["kind"] for entry in json.loads(done.stdout)["entries"]]
    # What a review or a reading refused is not journaled; what the node refused of posts is.
    assert kinds.count("refused") == 3
    assert kinds.count("accepted") == 9


def test_the_ten_lines_of_the_readme_post_and_follow(told, tmp_path) -> None:
    kept, readme = told["kept"], Path(__file__).parents[2] / "README.md"
    (code,) = re.findall(r"```python\n(.*?)```", readme.read_text("utf-8"), re.DOTALL)
    draft = resources.schemas() / "v1" / "examples" / "voi-1.es.toml"
    program = tmp_path / "program.py"
    program.write_text(
        f"{code}\nimport asyncio, pathlib\n"
        f"asyncio.run(post(pathlib.Path({str(draft)!r})))\nasyncio.run(follow())\n",
        encoding="utf-8",
    )
    environment = {
        **os.environ,
        "EXCHANGE_HOME": str(kept / "home"),
        "EXCHANGE_PASSPHRASE_FILE": str(kept / "passphrase"),
    }
    port = free_port()
    move(kept, port)
    command = [sys.executable, "-u", str(program)]
    with (
        running(kept / "node", port, environment),
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True
        ) as follower,
    ):
        assert follower.stdout is not None
        shown = [follower.stdout.readline() for _ in range(9)]
        follower.kill()
    assert shown[0] == "us.jiatfs/watch USA subscribed\n"
    assert shown[1].startswith("entry ")
    bulletins = [line for line in shown[2:] if "EJERCICIO" in line or "EXERCISE" in line]
    others = [line for line in shown[2:] if line not in bulletins]
    # The one that was just posted presses: it comes ahead of what is held, and once.
    assert len(bulletins) == 6
    assert shown[2].startswith("immediate ")
    assert [line.split()[-1] for line in others] in (["Acked"], ["PurgeOrdered"])


def move(kept, port: int) -> None:
    """Let the endpoints look for their node at another port."""
    for path in (kept / "home" / "contexts").glob("*/profile.json"):
        profile = msgspec.json.decode(path.read_bytes(), type=Profile)
        moved = msgspec.structs.replace(profile, url=f"https://127.0.0.1:{port}")
        path.write_bytes(msgspec.json.encode(moved))
