"""Two nations' nodes in processes of their own: each is the other's witness, and says so."""

from __future__ import annotations

import ssl
import urllib.request

import pytest

from tests.cli.exercise import OPS

BOTH = ["pa-witness", "us-witness"]


def test_a_receipt_is_vouched_for_by_the_witnesses_of_both_nations(border):
    told = border.pa.post("--witnessed")
    assert (told["quorum"], told["unwitnessed"]) == ("witnesses", False)
    assert told["witnessed"]["by"] == BOTH, border.pa.log.read_text()
    ran = border.pa.at(OPS, "--lang", "es", "trace", told["id"])
    assert "Atestiguado por pa-witness, us-witness" in ran.out


def test_a_proof_says_who_cosigned_what_it_is_under(border, tmp_path):
    told = border.pa.post("--witnessed")
    words = ["audit", "proof", str(told["index"]), "--cosigned"]
    proof = border.pa.at(OPS, *words, "--out", str(tmp_path / "p.tlog-proof"), "--json").json
    assert (proof["quorum"], proof["witnessed"]["by"]) == ("witnesses", BOTH)
    assert proof["witnessed"]["size"] == proof["size"] > told["index"]
    assert (tmp_path / "p.tlog-proof").read_text().count("— pa-witness ") == 1
    assert "Witnessed by pa-witness, us-witness" in border.pa.at(OPS, *words).out


def test_both_operators_see_the_link_its_lag_and_each_others_cosignatures(border):
    told = border.pa.post("--witnessed")
    size = told["witnessed"]["size"]

    def cosigned(said):
        (peer,) = said["peers"]
        return peer["cosigned"] and peer["cosigned"]["size"] >= size

    here = border.pa.seen(cosigned)
    (peer,) = here["peers"]
    assert (here["code"], here["node"], here["runs"], peer["node"]) == (0, "pa", True, "us")
    assert (peer["witness"], peer["link"], peer["trouble"]) == ("us-witness", "up", None)
    there = border.us.seen(lambda said: said["peers"][0]["pulled"] >= size)
    (other,) = there["peers"]
    assert (other["node"], other["witness"]) == ("pa", "pa-witness")
    assert (other["pulled"], other["lag_s"]) == (other["size"], 0)
    assert other["vouched"] >= size


@pytest.mark.parametrize(("lang", "words"), [("en", "cosigned ours"), ("es", "activo")])
def test_peers_is_told_in_both_languages(border, lang, words):
    border.pa.seen(lambda said: said["peers"][0]["link"] == "up")
    ran = border.pa.run("--lang", lang, "peers", "--state", str(border.pa.place.node))
    assert (ran.code, words in ran.out) == (0, True), ran.out


def test_a_node_counts_its_links_for_its_operator(border):
    border.pa.post("--witnessed")
    lines = _metrics(border.pa.port).splitlines()
    assert 'exchange_peer_up{node="us"} 1' in lines
    assert 'exchange_peer_stopped{node="us"} 0' in lines
    assert "exchange_evidence 0" in lines
    (cosigned,) = [line for line in lines if line.startswith("exchange_peer_cosigned_entries")]
    assert int(cosigned.split()[-1]) > 0


def _metrics(port):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(
        f"https://127.0.0.1:{port}/metrics", context=context, timeout=30
    ) as answer:
        return answer.read().decode()


def test_export_after_what_the_journal_has_not_is_refused_and_nothing_is_written(
    border, tmp_path
):
    size = border.pa.post("--witnessed")["witnessed"]["size"]
    state, file = str(border.pa.place.node), tmp_path / "x.export"
    words = ["link", "export", str(file), "--state", state, "--to", "us", "--json"]
    ran = border.pa.run("--lang", "en", *words, "--after", str(size + 10_000))
    assert (ran.code, file.exists()) == (2, False), ran.out
    assert f"Nothing is after entry {size + 10_000}" in ran.err + ran.out
    assert border.pa.run(*words, "--after", str(size - 1)).code == 0
    assert file.exists()
