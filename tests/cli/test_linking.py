"""A node's witness beside it: made, shown, lost; and what its operator reads of its links."""

from __future__ import annotations

import shutil

import aiohttp
import msgspec
import pytest

from exchange.cli import auditing, output, serve, world
from exchange.cli.linking import linked
from exchange.cli.node import _witnesses
from exchange.cli.standing import FILE, STALE_S
from exchange.cli.state import State
from exchange.client.tls import pinned
from exchange.errors import Code, Refusal
from exchange.journal import checkpoint as cp
from exchange.journal import quorum
from exchange.journal.terms import Terms
from exchange.journal.witness import MAX_REQUEST_BYTES
from exchange.model import wire
from exchange.node.links import LinkHealth, Links, Told
from tests.builders import NOW
from tests.cli.bordering import Side
from tests.cli.exercise import PASSPHRASE
from tests.node.vouching import LOG, NAMES, ORIGIN, SIGNERS, agreed

POLICY = "".join(f"{line}\n" for line in agreed().policy)


@pytest.fixture
def scene(founded_border, tmp_path):
    return founded_border.copy(tmp_path / "border")


def _beside(side, *words):
    state = str(side.place.node)
    url = f"https://127.0.0.1:{side.port}"
    return side.run("witness", "beside", state, "--url", url, "--json", *words)


def test_a_witness_beside_a_node_is_shown_again_and_made_anew_only_when_told(scene):
    shown = _beside(scene.pa).json
    assert (shown["witness"], shown["new"]) == ("pa-witness", False)
    assert shown["policy"].endswith("#node=pa")
    node = scene.pa.place.node
    (node / "witness" / "evidence" / "x.evidence").write_bytes(b"kept")
    anew = _beside(scene.pa, "--anew").json
    assert (anew["new"], anew["policy"] != shown["policy"]) == (True, True)
    assert _beside(scene.pa).json["policy"] == anew["policy"]
    assert (node / "witness.before-1" / "evidence" / "x.evidence").read_bytes() == b"kept"


def test_what_is_made_beside_a_node_is_in_its_container_and_its_memory_is_empty(
    scene, monkeypatch
):
    monkeypatch.setenv("EXCHANGE_PASSPHRASE", PASSPHRASE)
    shutil.rmtree(scene.us.place.node / "witness")
    before = State(scene.us.place.node).secrets()
    assert _beside(scene.us, "--anew").code == 0
    after = State(scene.us.place.node).secrets()
    assert after.keys["witness"] != before.keys["witness"]
    assert {**after.keys, "witness": 0} == {**before.keys, "witness": 0}
    assert (scene.us.place.node / "witness" / "marks.json").read_bytes() == b"{}"


async def test_a_node_whose_witness_lost_its_memory_goes_on_and_says_so(scene, monkeypatch):
    monkeypatch.setenv("EXCHANGE_PASSPHRASE", PASSPHRASE)
    here = State(scene.pa.place.node)
    (here.witness / "marks.json").unlink()
    async with (
        serve.opened(here, 0, has_threads=False) as (node, secrets, keys),
        linked(here, node, secrets, keys),
    ):
        links = node.links()
        assert (links.witness, links.trouble) == ("pa-witness", "witness-behind")
        assert node.is_ready
        answer = await _asked(here, b"old 0\n\n")
        assert (answer.status, (await answer.json())["code"]) == (503, "unavailable")


async def test_a_witness_answers_on_the_link_without_a_token_and_with_a_status_only(
    scene, monkeypatch
):
    monkeypatch.setenv("EXCHANGE_PASSPHRASE", PASSPHRASE)
    here = State(scene.pa.place.node)
    async with (
        serve.opened(here, 0, has_threads=False) as (node, secrets, keys),
        linked(here, node, secrets, keys),
    ):
        assert node.links().trouble == ""
        assert (await _asked(here, b"nonsense")).status == 400
        assert (await _asked(here, b"x" * (MAX_REQUEST_BYTES + 1))).status == 413
        assert (await _asked(here, b"", "entries")).status == 401


async def _asked(here, data, path="add-checkpoint"):
    tls = pinned(here.certificate(here.secrets().of("tls")[0].seed))
    url, method = f"https://{here.settings().link}/{path}", "POST" if data else "GET"
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, url, data=data, ssl=tls) as answer,
    ):
        await answer.read()
        return answer


def _told(side: Side, **changes):
    """Have the node's folder say how its links are."""
    peer = LinkHealth("us", up=True, since=1_700_000_000, pulled=7, size=7)
    told = Told("pa", world.now(), 3, Links([peer], [], "pa-witness"))
    links = side.place.node / "links"
    links.mkdir(exist_ok=True)
    made = msgspec.structs.replace(told, **changes)
    (links / FILE).write_bytes(msgspec.json.encode(made))
    return side.peers()


@pytest.mark.parametrize(
    ("links", "code"),
    [
        (Links([LinkHealth("us", up=True, since=1)]), 0),
        (Links([LinkHealth("us", up=False, since=1)]), output.EXIT_FAULT),
        (Links([LinkHealth("us", up=True, since=1, behind=["us 2<3"])]), output.EXIT_FAULT),
        (Links([LinkHealth("us", up=True, since=1, waiting=1)]), output.EXIT_FAULT),
        (Links(trouble="witness-behind"), output.EXIT_FAULT),
        (Links(evidence=["links/us-x.evidence"]), output.EXIT_TAMPERED),
        (
            Links([LinkHealth("us", up=False, since=1, stopped=True, code="bad-proof")]),
            output.EXIT_TAMPERED,
        ),
    ],
)
def test_peers_ends_by_how_bad_it_is(scene, links, code):
    assert _told(scene.pa, links=links)["code"] == code


def test_what_an_ended_node_said_last_is_told_as_old(scene):
    at = world.now() - STALE_S - 5
    told = _told(scene.pa, at=at)
    assert (told["runs"], told["code"]) == (False, output.EXIT_FAULT)
    for lang, words in (("en", "DOES NOT RUN"), ("es", "NO FUNCIONA")):
        ran = scene.pa.run("--lang", lang, "peers", "--state", str(scene.pa.place.node))
        assert words in ran.out


def test_what_waits_for_an_attachment_is_named_with_why_and_since_when(scene):
    peer = LinkHealth("us", up=True, since=1, waiting=3, awaited=["7 kept-quota 1700000000"])
    told = _told(scene.pa, links=Links([peer]))
    first = {"index": 7, "code": "kept-quota", "since": "2023-11-14T22:13:20Z"}
    assert told["peers"][0]["waiting"] == {"count": 3, "first": [first]}
    for lang, words in (
        ("en", ("entry 7 waits for an attachment since 2023-11-14T22:13:20Z", "2 more")),
        ("es", ("asiento 7, espera un adjunto desde 2023-11-14T22:13:20Z", "2 más")),
    ):
        ran = scene.pa.run("--lang", lang, "peers", "--state", str(scene.pa.place.node))
        assert all(each in ran.out for each in words)


@pytest.mark.parametrize(("age", "is_well"), [(None, True), (120, True), (121, False)])
def test_doctor_warns_of_a_journal_that_nobody_vouched_for_in_long(age, is_well):
    told = _witnesses(wire.Health("pa", ready=True, quorum="witnesses", unwitnessed_s=age))
    assert (told["ok"], told["advice"], told["unwitnessed_s"]) == (is_well, True, age)


def test_a_node_without_links_has_none_to_tell_of(scene):
    path = scene.pa.place.node / "node.json"
    chosen = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode({**chosen, "link": "", "peers": {}}))
    told = scene.pa.peers()
    assert (told["code"], told["peers"]) == (0, [])
    ran = scene.pa.run("--lang", "es", "peers", "--state", str(scene.pa.place.node))
    assert "sin enlaces" in ran.out


def test_what_was_to_be_cosigned_and_is_by_no_quorum_is_refused():
    needed = Terms(ORIGIN, [each.key for each in LOG], quorum.parse(POLICY))
    head = cp.Checkpoint(ORIGIN, 7, bytes(32))
    one = cp.Verified(head, ((SIGNERS["w1"].key, NOW),))
    assert auditing._vouched(one, needed, must=False) is None
    with pytest.raises(Refusal) as caught:
        auditing._vouched(one, needed, must=True)
    assert (caught.value.code, caught.value.at) == (Code.BAD_CHECKPOINT, "/cosigned")
    both = cp.Verified(head, tuple((SIGNERS[name].key, NOW) for name in NAMES))
    assert auditing._vouched(both, needed, must=True).by == list(NAMES)
