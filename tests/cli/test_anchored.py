"""What is agreed on goes on from the anchor that was read aloud, not from whatever came."""

from __future__ import annotations

import json
import os

import pytest

from exchange.cli import world
from exchange.custody import consent, container, proposal, proposing, ring, words
from exchange.custody.container import Secrets
from exchange.seal.software import SoftwareSigner, new_signing
from tests.cli.test_sharing import NEW, run
from tests.custody.ceremony import DAY_S, NAMES, Delegations

PA = NAMES[:2]
NOBODY = "A" * 43
VERBS = ("sign", "approve", "minutes", "propose", "diff")


class Place(Delegations):
    """Two delegations, and a folder with what they carry: documents, a proposal, signatures."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.now = folder, world.now()
        secrets = Secrets(PA[0], {ring.SIGN: new_signing("xb1-h", os.urandom)})
        self.signers[PA[0]] = SoftwareSigner.of(secrets.of(ring.SIGN))
        sealed = container.seal(secrets, NEW["EXCHANGE_PASSPHRASE"], os.urandom)
        (folder / "keys.xk").write_bytes(sealed)
        (folder / "trust").mkdir()

    def write(self, wanted, who, name="p"):
        """A proposal, and the signature file of each of these."""
        made = self.propose(wanted, self.now, self.now + DAY_S)
        self.folder.joinpath(name).write_bytes(
            proposal.encode(made.base, made.issued, made.parts, made.shown)
        )
        steps = self.steps(made, self.now)
        for each in who:
            given = consent.sign(made, steps, self.signers[each])
            self.folder.joinpath(f"{name}.{each}").write_bytes(given)
        return made

    def command(self, verb, who=PA, name="p"):
        """A verb's words, but --anchor; what it writes goes to ``out``."""
        here, trust = self.folder, ("--trust", self.folder / "trust")
        out, signed = here / "out", [here / f"{name}.{each}" for each in who]
        return {
            "sign": ("sign", here / name, "--keys", here / "keys.xk", "--out", out, "--yes"),
            "approve": ("approve", here / name, *signed),
            "minutes": ("minutes", here / name, *signed, "--place", "x", "--date", "y",
                        "--out", out),
            "propose": ("propose", out, "--refresh", "us"),
            "diff": ("diff", here / name),
        }[verb] + trust  # fmt: skip

    def left(self):
        """What could have been written."""
        trust = sorted(each.name for each in (self.folder / "trust").iterdir())
        return (self.folder / "out").exists(), trust


@pytest.fixture
def made(tmp_path):
    """An arrangement in force, and a proposal that Panama's custodians signed."""
    made = Place(tmp_path)
    made.take(made.founding(), NAMES, made.now, made.now + DAY_S)
    for place, raw in enumerate(made.bundles):
        (tmp_path / "trust" / f"{place:04}.trust").write_bytes(raw)
    made.proposed = made.write(proposing.renewal(["pa"]), PA)
    return made


@pytest.mark.parametrize("verb", VERBS)
def test_nothing_goes_on_from_documents_that_no_anchor_vouches_for(made, verb):
    """Whoever brings the folder could have made it: the people would sign for elsewhere."""
    before = made.left()
    ran = run("arrangement", *made.command(verb), "--json")
    assert (ran.code, json.loads(ran.out)["error"]["code"]) == (2, "usage"), ran.out
    ran = run("arrangement", *made.command(verb), "--anchor", NOBODY, "--json")
    assert (ran.code, json.loads(ran.out)["error"]["code"]) == (3, "other-anchor")
    assert made.left() == before
    ran = run("arrangement", *made.command(verb), "--anchor", made.view.anchor, "--json")
    assert ran.code == 0, ran.out


@pytest.mark.parametrize("verb", VERBS)
def test_file_that_does_not_hold_is_named_and_a_copy_says_nothing(made, verb):
    known = ("--anchor", made.view.anchor, "--json")
    folder, last = made.folder / "trust", made.bundles[-1]
    strange = folder / "0009-torn.trust"
    for raw in (last[:900], b"", last.replace(b'"version":1', b'"version":7', 1)):
        strange.write_bytes(raw)
        ran = run("arrangement", *made.command(verb), *known)
        error = json.loads(ran.out)["error"]
        assert (ran.code, error["code"]) == (3, "trust-file"), ran.out
        assert error["facts"]["name"] == str(strange)
        assert error["facts"]["reason"]
    strange.write_bytes(last)
    ran = run("arrangement", *made.command(verb), *known)
    assert ran.code == 0, ran.out


@pytest.mark.parametrize("verb", VERBS)
def test_copy_that_is_incomplete_or_torn_is_not_called_another_arrangement(made, verb):
    known = ("--anchor", made.view.anchor, "--json")
    folder, first = made.folder / "trust", made.bundles[0]
    (root,) = [each for each in folder.iterdir() if each.read_bytes() == first]
    flipped = first.replace(b'"sig":"', b'"sig":"00', 1)
    for raw in (None, flipped, first + b"\n"):
        root.unlink()
        if raw is not None:
            root.write_bytes(raw)
        ran = run("arrangement", *made.command(verb), *known)
        assert (ran.code, json.loads(ran.out)["error"]["code"]) == (3, "trust-file"), ran.out
        root.write_bytes(first)
    other = Delegations()
    other.take(other.founding(), NAMES, made.now, made.now + DAY_S)
    for raw in (b"hello", other.bundles[0]):
        before = folder / "0000-before.trust"
        before.write_bytes(raw)
        assert sorted(folder.iterdir()).index(before) == 0
        ran = run("arrangement", *made.command(verb), *known)
        assert json.loads(ran.out)["error"]["facts"]["name"] == str(before), ran.out
        before.unlink()


@pytest.mark.parametrize("verb", ["sign", "propose", "diff"])
def test_page_that_is_looked_at_shows_which_anchor_it_goes_on_from(made, verb):
    anchor = ("--anchor", " ".join(words.said(made.view.anchor, "es")))
    page = run("--lang", "en", "arrangement", *made.command(verb), *anchor).out
    first, last = page.index("ANCHOR OF THE ARRANGEMENT"), page.index("OF THE PROPOSAL")
    for lang in ("es", "en"):
        shown = page[first:last]
        assert all(word in shown for word in words.said(made.view.anchor, lang))


@pytest.mark.parametrize("verb", VERBS)
def test_founding_takes_no_anchor_for_there_is_none(tmp_path, verb):
    made = Place(tmp_path)
    made.write(made.founding(), NAMES)
    command = made.command(verb, NAMES)
    if verb == "propose":
        # Nothing to be refreshed is there yet, and that is what it is refused for.
        ran = run("arrangement", *command, "--json")
        assert json.loads(ran.out)["error"]["code"] == "trust-invalid"
        return
    ran = run("--lang", "en", "arrangement", *command)
    assert ran.code == 0, ran.out
    if verb in {"sign", "diff"}:
        assert "FOUNDING: THERE IS NO ANCHOR YET" in ran.out


def test_founding_shows_the_anchor_that_came_of_it_and_can_be_told_again(tmp_path):
    made = Place(tmp_path)
    made.write(made.founding(), NAMES)
    first, again = (
        run("arrangement", *made.command("approve", NAMES), "--json") for _ in range(2)
    )
    anchor = json.loads(first.out)["words"]["es"]
    assert json.loads(again.out)["words"]["es"] == anchor
    minutes = made.command("minutes", NAMES)
    assert run("arrangement", *minutes, "--json").code == 0
    made.folder.joinpath("out").unlink()
    assert run("arrangement", *minutes, "--anchor", anchor, "--json").code == 0
    ran = run("arrangement", *minutes, "--anchor", NOBODY, "--json")
    assert ran.code != 0


def test_anchor_without_any_document_is_no_founding(tmp_path):
    """Who has an anchor on paper, and is brought a founding, is being shown another one."""
    made = Place(tmp_path)
    made.write(made.founding(), NAMES)
    for verb in ("sign", "diff", "propose"):
        ran = run("arrangement", *made.command(verb, NAMES), "--anchor", NOBODY, "--json")
        assert ran.code == 2, ran.out
