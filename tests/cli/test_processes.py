"""What a front process has loaded when it begins."""

import subprocess
import sys

from exchange.node import spawning

FRONT = "exchange.cli.front"
# What opens bulletins and containers, what signs with keys, what speaks to people and tokens.
NOT_FOR_IT = (
    "exchange.client.agency",
    "exchange.cli.home",
    "exchange.cli.serve",
    "exchange.custody",
    "exchange.link",
    "exchange.seal.open",
    "exchange.seal.open_attachment",
    "exchange.seal.software",
    "click",
    "pkcs11",
    "rich",
)


def loaded_by_a_front():
    *command, program = spawning.FRONT
    assert program.endswith("main()")
    told = f"{program.removesuffix('main()')}print(*(m for m, it in sys.modules.items() if it))"
    # Two descriptors stand before the path; nothing is done with them before ``main``.
    run = [*command, told, "0", "1", *sys.path]
    return subprocess.run(
        run, capture_output=True, check=True, text=True, env={}
    ).stdout.split()


def test_a_front_loads_nothing_that_opens_signs_or_speaks_to_people():
    loaded = loaded_by_a_front()
    assert FRONT in loaded
    assert [each for each in NOT_FOR_IT if each in loaded] == []


# What an agency opens mail with, what draws on a terminal, what speaks to tokens.
NOT_FOR_A_NODE = ("exchange.client.agency", "exchange.client.unsealing", "rich", "pkcs11")
NODE = """
import sys
from exchange.cli.sparing import spared
with spared():
    import exchange.cli.main, exchange.cli.node, exchange.cli.serve
print(*(m for m, it in sys.modules.items() if it))
import rich
"""


def test_a_node_s_own_process_loads_only_what_it_needs_and_may_load_the_rest_later():
    run = [sys.executable, "-c", NODE]
    loaded = subprocess.run(run, capture_output=True, check=True, text=True).stdout.split()
    assert "exchange.cli.serve" in loaded
    assert [each for each in NOT_FOR_A_NODE if each in loaded] == []
