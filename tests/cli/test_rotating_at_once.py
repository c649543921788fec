"""Two commands that rotate the same signing keys at once: one wins, and wins wholly."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from exchange.cli.home import PLACES, Home
from exchange.cli.keying import making
from exchange.custody import ring
from tests.cli.exercise import PASSPHRASE, WATCH

ROTATE = ("keys", "rotate", "--signing", *("--place", "file:keys.xk") * 2, "--json")


def test_the_loser_leaves_no_word_of_where_its_keys_would_lie(
    exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, make = exercise.copy_context(WATCH), making._fresh

    def meanwhile(*words):
        ran = subprocess.run(
            [sys.executable, "-m", "exchange", "--context", name, *ROTATE],
            env=exercise.environment(),
            timeout=60,
            check=False,
            capture_output=True,
        )
        assert ran.returncode == 0, ran.stdout
        return make(*words)

    with monkeypatch.context() as patched:
        patched.setattr(making, "_fresh", meanwhile)
        ran = exercise.at(name, *ROTATE)
    assert (ran.code, ran.json["error"]["code"]) == (1, "changed-meanwhile")
    context = Home(exercise.place.home).current(name)
    secrets = context.unlocked_with(PASSPHRASE)
    asked = [ring.public(key).kid for key in secrets.of(ring.SIGN_NEXT)]
    assert json.loads((context.folder / PLACES).read_bytes())["asked"] == asked
    # So the request is made again, signed by these very keys.
    again = exercise.at(name, *ROTATE)
    assert (again.code, again.json["step"]) == (0, "asked")
    assert set(asked) <= {key["kid"] for key in again.json["keys"]}
