"""From trust documents to a node and a context: only where keys are the very same."""

from __future__ import annotations

import shutil

import pytest

from exchange.cli.state import CERTIFICATE, SETTINGS, TRUST, State
from exchange.custody import cards
from exchange.custody.proposing import Wanted
from exchange.journal import quorum
from tests.cli.test_sharing import NEW, run
from tests.custody.ceremony import NAMES, NODE_CARDS, Delegations, arrangement, new_node

URL = ("--url", "https://127.0.0.1:1")


def init(folder, name="pa"):
    where = ("--state", folder / name, "--card", folder / f"{name}.card")
    return run("arrangement", "init", "node", name, *URL, *where, "--json")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A node's folder with its card, and trust documents that list it."""
    folder = tmp_path_factory.mktemp("joining")
    assert init(folder).code == 0
    raw = (folder / "pa.card").read_bytes().strip()
    card = cards.read(raw)
    NODE_CARDS[card.node.receipts.keys[0].kid] = raw
    delegations = Delegations()
    wanted = Wanted(delegations.cards(), arrangement=arrangement(), nodes=[card.node])
    delegations.take(wanted, NAMES)
    (folder / "trust").mkdir()
    for place, raw in enumerate(delegations.bundles):
        (folder / "trust" / f"{place:04}.trust").write_bytes(raw)
    (folder / "anchor").write_text(delegations.view.anchor)
    return folder


@pytest.fixture
def state(made, tmp_path):
    return shutil.copytree(made / "pa", tmp_path / "pa")


def install(made, state, trust=None, anchor=None):
    anchor = anchor or (made / "anchor").read_text()
    where = ("--trust", trust or made / "trust", "--anchor", anchor)
    return run("arrangement", "install", state, *where, "--json")


def code(ran):
    assert ran.code != 0, ran.out
    return ran.json["error"]["code"]


def test_node_starts_from_the_documents_that_list_its_keys(made, state):
    assert install(made, state).code == 0
    assert State(state).settings().anchor == (made / "anchor").read_text()
    assert len(State(state).documents()) == 4
    # And nothing is installed over it, whatever of it is left.
    assert install(made, state).code == 2
    shutil.rmtree(state / TRUST)
    assert install(made, state).code == 2
    assert not (state / TRUST).exists()


def test_node_that_never_ran_hands_nothing_over(made, state, tmp_path):
    """Its journal says which keys are in force, and there is none."""
    assert install(made, state).code == 0
    before = (state / "node.xk").read_bytes()
    ran = run("arrangement", "hand-over", state, "--card", tmp_path / "c", "--json")
    assert (ran.code, code(ran)) == (2, "usage")
    assert (state / "node.xk").read_bytes() == before


def test_another_anchor_installs_nothing(made, state):
    assert code(install(made, state, anchor="A" * 43)) == "other-anchor"
    assert not (state / SETTINGS).exists()


def test_node_with_other_keys_than_the_listed_ones_is_not_installed(made, tmp_path):
    assert init(tmp_path).code == 0
    assert code(install(made, tmp_path / "pa")) == "key-file"


def test_node_that_no_document_lists_is_not_installed(made, tmp_path):
    assert init(tmp_path, "us").code == 0
    assert code(install(made, tmp_path / "us")) == "trust-invalid"


def test_node_with_another_certificate_is_not_installed(made, state):
    (state / CERTIFICATE).write_text(new_node().certificate)
    assert code(install(made, state)) == "digest-mismatch"


def test_folder_without_documents_installs_nothing(made, state, tmp_path):
    (tmp_path / "none").mkdir()
    assert install(made, state, trust=tmp_path / "none").code == 2


def test_altered_document_installs_nothing(made, state, tmp_path):
    trust = shutil.copytree(made / "trust", tmp_path / "trust")
    last = trust / "0003.trust"
    last.write_bytes(last.read_bytes().replace(b'"version":1', b'"version":2'))
    assert code(install(made, state, trust=trust)) == "trust-file"
    assert not (state / SETTINGS).exists()


def test_node_and_custodian_are_named_by_their_nation(tmp_path):
    assert init(tmp_path, "mx").code == 2
    where = ("--keys", tmp_path / "k", "--card", tmp_path / "c")
    for name in ("pa", "mx-custodian-1"):
        assert run("arrangement", "init", "custodian", name, *where).code == 2
    assert list(tmp_path.iterdir()) == []


def test_endpoint_that_is_not_listed_makes_no_context(made, tmp_path):
    keys = tmp_path / "keys.xk"
    assert run("keys", "new", "pa.senan/ops", keys, "--json").code == 0
    where = ("--trust", made / "trust", "--anchor", (made / "anchor").read_text())
    home = {**NEW, "EXCHANGE_HOME": str(tmp_path / "home")}
    join = ("arrangement", "join", keys, *where, "--node", made / "pa.card", "--json")
    assert code(run(*join, env=home)) == "unknown-endpoint"
    assert not (tmp_path / "home").exists()


def test_custodians_card_is_no_nodes_and_the_other_way_round(made, tmp_path):
    out = tmp_path / "p"
    trust = ("--trust", made / "trust", "--anchor", (made / "anchor").read_text())
    propose = ("arrangement", "propose", out, *trust)
    assert run(*propose, "--custodian", made / "pa.card", "--json").code == 2
    assert not out.exists()


def test_draft_that_gives_what_the_proposal_gives_is_refused(made, tmp_path):
    draft = tmp_path / "draft.toml"
    draft.write_text("version = 7\n")
    trust = ("--trust", made / "trust", "--anchor", (made / "anchor").read_text())
    propose = ("arrangement", "propose", tmp_path / "p", *trust)
    ran = run(*propose, "--arrangement", draft, "--json")
    assert (code(ran), ran.json["error"]["at"]) == ("unknown-member", "/version")
    draft.write_text("exercise = 'yes'\n")
    assert run(*propose, "--arrangement", draft, "--json").code == 1
    draft.write_text("= 1")
    assert code(run(*propose, "--arrangement", draft, "--json")) == "malformed"


def test_a_node_of_one_nation_says_so_and_is_given_a_witness_before_it_is_agreed_on(tmp_path):
    where = ("--state", tmp_path / "us", "--card", tmp_path / "us.card", "--serves", "us")
    assert run("arrangement", "init", "node", "us", *URL, *where, "--json").code == 0
    card = cards.read((tmp_path / "us.card").read_bytes().strip())
    assert card.node.serves == ["us"]
    told = run("witness", "beside", tmp_path / "us", *URL, "--json")
    assert (told.json["witness"], told.json["new"]) == ("us-witness", True)
    assert quorum.parse(f"{told.json['policy']}\nquorum us-witness\n").witnesses[0].node == "us"
    assert (tmp_path / "us" / "witness" / "marks.json").exists()


def test_founding_without_a_node_and_a_proposal_against_itself_are_refused(made, tmp_path):
    cards = []
    for name in NAMES:
        where = ("--keys", tmp_path / f"{name}.xk", "--card", tmp_path / f"{name}.card")
        assert run("arrangement", "init", "custodian", name, *where).code == 0
        cards += ["--custodian", tmp_path / f"{name}.card"]
    out = tmp_path / "1.proposal"
    ran = run("arrangement", "propose", out, "--trust", tmp_path / "trust", *cards)
    assert (ran.code, "--node" in ran.err) == (2, True)
    known = ("--trust", made / "trust", "--anchor", (made / "anchor").read_text())
    against = ("--suspend", "pa.senan/ops", "--resume", "pa.senan/ops")
    ran = run("arrangement", "propose", out, *known, *against)
    assert (ran.code, "--resume" in ran.err) == (2, True)
    assert not out.exists()
