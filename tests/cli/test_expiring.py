"""A key that is about to end is told of on every verb; an unfit one before sealing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from exchange.cli import expiring, output, reviewing
from exchange.cli import world as world_cli
from exchange.cli.home import Home
from exchange.cli.main import Session
from exchange.custody import signers
from exchange.policy.expiry import Lapse
from exchange.seal import trust, trust_making
from tests.builders import COAST, DAY, NOW, world
from tests.cli.exercise import AUDIT, OPS, WATCH, Exercise
from tests.client.test_unfit import prepare
from tests.policy.test_expiry import ending

WORLD = world()


class Directory:
    """The custodians' table: the next version of a member's document, with other dates."""

    def __init__(self, made: Exercise) -> None:
        self.made = made
        self.bundles = list(made.place.founded.documents)

    def end(self, endpoint: str, use: str, until: int) -> None:
        """Have an endpoint's keys of a use end then, and hand the document in."""
        founded, now = self.made.place.founded, world_cli.now()
        view = trust.follow(self.bundles, founded.anchor, now)
        before = view.standing(endpoint).member
        after = msgspec.structs.replace(
            before,
            version=before.version + 1,
            endpoints=[
                ended(each, use, until) if each.id == endpoint else each
                for each in before.endpoints
            ],
        )
        by = [
            signers.software(secrets.of("sign"))
            for name, secrets in founded.custodians.items()
            if name.startswith(before.nation)
        ]
        metadata, files = trust_making.of_nation(view, before.nation, [after], now + 90 * DAY)
        document = trust_making.signed(metadata, files, by)
        path = self.made.folder / "member.trust"
        path.write_bytes(document)
        ran = self.made.at(OPS, "keys", "publish", str(path), "--json")
        assert ran.code == 0, ran.out
        self.bundles.append(document)


def ended(endpoint, use, until):
    keys = [
        msgspec.structs.replace(key, until=until) if key.use == use else key
        for key in endpoint.keys
    ]
    return msgspec.structs.replace(endpoint, keys=keys)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An exercise in which keys end soon: us.jiatfs/watch's in six days, the audit's now."""
    made = Exercise(tmp_path_factory.mktemp("expiring"))
    made.start()
    assert made.at(AUDIT, "--lang", "en", "inbox").err == ""
    now = world_cli.now()
    directory = made.directory = Directory(made)
    directory.end("us.jiatfs/watch", "sig", now + 6 * DAY + 3600)
    directory.end("us.jiatfs/audit", "enc", now - 5)
    yield made
    assert made.stop() == 0, made.log.read_text()


def test_every_verb_of_the_context_says_that_a_key_is_about_to_end(made):
    for words in (["inbox"], ["feeds"], ["outbox"], ["doctor"], ["keys", "show"]):
        english = made.at(WATCH, "--lang", "en", *words)
        assert "The signing key of us.jiatfs/watch expires in 6 days" in english.err, words
        assert "exchange keys rotate --signing" in english.err
        spanish = made.at(WATCH, "--lang", "es", *words)
        assert "La clave de firma de us.jiatfs/watch vence en 6 días" in spanish.err, words


def test_json_has_it_as_a_member_and_stderr_stays_quiet(made):
    for words in (["inbox"], ["outbox"], ["keys", "show"], ["doctor"]):
        ran = made.at(WATCH, *words, "--json")
        (row,) = ran.json["keys_expiring"]
        assert (row["use"], row["days_left"], row["step"], ran.err) == ("sig", 6, 7, "")
    ran = made.at(WATCH, "read", "no-such-id", "--json")
    assert (ran.code, len(ran.json["keys_expiring"])) == (1, 1)
    assert "keys_expiring" not in made.at(OPS, "inbox", "--json").json


def test_refusal_is_told_together_with_the_key_that_may_be_why(made):
    ran = made.at(WATCH, "--lang", "en", "read", "no-such-id")
    assert (ran.code, "expires in 6 days" in ran.err) == (1, True)


def test_doctor_advises_before_a_key_ends_and_is_not_well_after(made):
    ran = made.at(WATCH, "doctor", "--json")
    assert (ran.code, ran.json["ok"]) == (0, True)
    (check,) = [each for each in ran.json["checks"] if each["name"] == "key-expiry"]
    assert (check["ok"], check["advice"], check["days_left"]) == (False, True, 6)
    (check,) = [each for each in ran.json["checks"] if each["name"] == "trust-expiry"]
    assert (check["advice"], check["role"], check["days_left"]) == (True, "us", 89)
    ran = made.at(AUDIT, "doctor", "--json")
    assert (ran.code, ran.json["ok"]) == (3, False)
    (check,) = [each for each in ran.json["checks"] if each["name"] == "key-expiry"]
    assert (check["advice"], check["use"], check["step"]) == (False, "enc", 0)


def test_sender_is_told_whose_key_is_unfit_before_anything_is_sealed(made):
    spare = made.copy_context(OPS)
    before = made.at(spare, "outbox", "--json").json
    now = world_cli.now()
    made.directory.end("us.jiatfs/watch", "enc", now - 5)
    for words in (["check"], ["post", "--dry-run"], ["post", "--yes"]):
        ran = made.at(spare, words[0], made.draft(), *words[1:], "--json")
        error = ran.json["error"]
        assert (ran.code, error["code"]) == (1, "recipient-key-unfit")
        assert error["facts"]["name"] == "us.jiatfs/watch"
        assert "us.jiatfs/watch" in error["en"]["what"]
        assert "no haya vencido" in error["es"]["what"]
    assert made.at(spare, "outbox", "--json").json == before


def test_lines_say_day_and_days_in_both_languages():
    now = 1_796_000_000
    for until, english, spanish in (
        (now + 30 * DAY, "expires in 30 days", "vence en 30 días"),
        (now + DAY, "expires in 1 day,", "vence en 1 día,"),
        (now + DAY - 1, "expires in less than a day", "vence en menos de un día"),
        (now, "expired on 2026-11-30", "venció el 2026-11-30"),
    ):
        for use in ("sig", "enc"):
            (row,) = expiring.rows([Lapse(use, until)], now)
            assert english in expiring.line(row, "pa.senan/ops", "en")
            assert spanish in expiring.line(row, "pa.senan/ops", "es")
            assert "pa.senan/ops" in expiring.line(row, "pa.senan/ops", "es")
    assert expiring.rows([Lapse("sig", now + 31 * DAY)], now) == []


@pytest.mark.parametrize(("lang", "said"), [("es", "NO podrá leerlo"), ("en", "will NOT be")])
def test_review_says_loudly_which_subscriber_will_not_be_able_to_read(capsys, lang, said):
    subscribed = WORLD.subscription(COAST)
    prepared = prepare(subscribed, WORLD.amended(COAST, ending("enc", NOW)))
    session = Session(Home(Path("nowhere")), None, lang)
    review = reviewing.told(session, prepared)
    assert [each["endpoint"] for each in review["left_out"]] == [COAST]
    reviewing.show(session, prepared, review)
    shown = capsys.readouterr().out
    assert f"{COAST} {said}" in shown


def test_a_list_or_a_context_without_a_session_is_printed_as_it_is(capsys):
    output.show_json([1])
    output.show_json({"a": 1})
    assert capsys.readouterr().out == '[1]\n{"a":1}\n'
