"""An exercise is founded with keys for everybody, and none that the node could open with."""

from __future__ import annotations

from exchange.seal.software import load
from tests import builders

WORLD = builders.world()


def test_same_randomness_makes_the_same_keys() -> None:
    first, second = (builders.Founder(builders.Randomness("x"), 0) for _ in range(2))
    assert first.circles == second.circles
    assert first.circles != builders.Founder(builders.Randomness("y"), 0).circles


def test_each_nation_takes_two_custodians() -> None:
    counts = {
        role: {name: (each.threshold, len(each.signatories)) for name, each in circles.items()}
        for role, circles in WORLD.view.custodians.items()
    }
    both = {"pa": (2, 2), "us": (2, 2)}
    assert counts == {"root": both, "targets": both, "pa": {"pa": (2, 2)}, "us": {"us": (2, 2)}}


def test_directory_holds_the_public_half_of_everybody_s_keys() -> None:
    for name, secrets in WORLD.secrets.items():
        standing = WORLD.view.standing(name)
        public = {load(each)[0].kid for each in secrets.of("sign")} | {WORLD.key(name).kid}
        assert standing.keys.keys() == public


def test_no_key_is_given_twice() -> None:
    holders = [*WORLD.secrets.values(), WORLD.node]
    seeds = [key.seed for each in holders for keys in each.keys.values() for key in keys]
    assert len(set(seeds)) == len(seeds)


def test_node_holds_no_key_that_opens() -> None:
    assert WORLD.node.keys.keys() == {"sign", "log"}
    algorithms = {key.alg for keys in WORLD.node.keys.values() for key in keys}
    assert algorithms == {"Ed25519", "ML-DSA-65", "ML-DSA-44"}


def test_everything_founded_is_marked_as_an_exercise() -> None:
    arrangement = WORLD.arrangement
    assert "EJERCICIO" in arrangement.name["es"]
    assert "EXERCISE" in arrangement.name["en"]
