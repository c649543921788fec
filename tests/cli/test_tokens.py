"""An endpoint moves half of its signing keys into a token, and goes on posting."""

from __future__ import annotations

import json

import pytest

from exchange.cli.home import Context
from tests.cli.exercise import OPS, WATCH, Exercise
from tests.cli.test_keys import admit, held, publish
from tests.custody import softhsm
from tests.custody.softhsm import PIN, SoftHsm

LIBRARY = softhsm.library()
WITH_PIN = {"EXCHANGE_PIN": PIN}


def stop(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("is_stopped", [False, True], ids=["whole", "stopped"])
def test_signing_moves_into_a_token_and_needs_its_pin_from_then_on(
    tmp_path, monkeypatch, is_stopped
):
    """Also where the command is stopped once the container has them in use, and no later."""
    if LIBRARY is None:
        pytest.skip("needs SoftHSM 2 (Debian: apt install softhsm2)")
    hsm = SoftHsm(LIBRARY, tmp_path, "watch")
    places = ["--place", hsm.generate("watch", "sign-1"), "--place", "file:keys.xk"]
    made = Exercise(tmp_path / "exercise")
    made.start()
    asked = made.at(WATCH, "keys", "rotate", "--signing", *places, "--json", **WITH_PIN)
    assert asked.code == 0, asked.out
    assert made.at(WATCH, "inbox", "--json").code == 0  # the old keys need no PIN
    assert admit(made, asked.json["request"], "us").code == 0
    assert publish(made).code == 0
    with monkeypatch.context() as patched:
        if is_stopped:
            patched.setattr(Context, "_note", stop)
        ran = made.at(WATCH, "keys", "rotate", "--json", **WITH_PIN)
    assert ran.code == (130 if is_stopped else 0), ran.out
    identity = made.post()["id"]
    ran = made.at(WATCH, "ack", identity, "--json", **WITH_PIN)
    assert ran.code == 0, ran.out
    shown = made.at(WATCH, "keys", "show", "--json", **WITH_PIN).json["keys"]
    signing = {row["kid"] for row in shown if row["use"] == "sig" and row["state"] == "in-use"}
    assert signing == {key["kid"] for key in asked.json["keys"]}
    container = made.place.home / "contexts" / WATCH / "signers.json"
    assert json.loads(container.read_bytes())["next"] == (places[1::2] if is_stopped else [])
    again = made.at(WATCH, "keys", "rotate", "--signing", "--json", **WITH_PIN)
    assert (again.code, json.loads(container.read_bytes())["sign"]) == (0, places[1::2])
    for env, expected in (({}, "EXCHANGE_PIN"), ({"EXCHANGE_PIN": "1" * 6}, "pin")):
        softhsm.forget()
        ran = made.at(WATCH, "inbox", "--json", **env)
        assert (ran.code, ran.json["error"]["facts"]["expected"]) == (3, expected)
        assert "1" * 6 not in ran.out + ran.err
    softhsm.forget()
    assert made.at(OPS, "inbox", "--json").code == 0
    assert held(made, OPS)
    assert made.stop() == 0


def test_place_is_for_signing_keys_and_each_of_them_needs_one(exercise, tmp_path):
    ran = exercise.at(WATCH, "keys", "rotate", "--place", "file:keys.xk")
    assert ran.code == 2
    words = ["us.jiatfs/watch", str(tmp_path / "keys.xk"), "--place", "file:keys.xk"]
    assert exercise.run("keys", "new", *words).code == 2
    assert not (tmp_path / "keys.xk").exists()
