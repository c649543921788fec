"""``exchange bench``: its shape, and that it does not count what it should not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from click.testing import CliRunner

from exchange.cli.benching import (
    cap,
    crossing,
    growth,
    load,
    posting,
    trial,
    verifying,
    whole,
)
from exchange.cli.benching.posting import Answer
from exchange.cli.benching.trial import Posted
from exchange.cli.benching.whole import Plan, Step
from exchange.cli.main import cli
from exchange.seal.suites import SUITES
from tests.model.test_wire_lines import PROBLEM

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
TINY = Plan(
    (Step("warm-up", 2, 1, 4), Step("batch", 2, 5, 20)),
    20,
    0.05,
    2,
    subscribers=4,
    killed=Step("killed", 4, 1, 40),
)


def silent(_: str) -> None:
    pass


def test_quick_bench_prints_every_figure_as_json() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "exchange", "bench", "--quick", "--json"],
        cwd=ROOT,
        env={**os.environ},
        capture_output=True,
        timeout=110,
        check=False,
    )
    result = json.loads(done.stdout)
    assert [(run["name"], run["clients"], run["batch"]) for run in result["runs"]] == [
        ("post-1", 1, 1),
        ("post-16", 16, 1),
        ("post-64", 64, 1),
        ("batch", 4, 100),
    ]
    plan = whole.QUICK
    assert [(each["listeners"], each["events"]) for each in result["heard"]] == [
        (count, count * plan.heard) for count in plan.listeners
    ]
    assert all(each["node_event_us"] >= 0 and each["all_ms"] > 0 for each in result["heard"])
    posted = sum(step.count for step in plan.steps) + plan.heard * (len(plan.listeners) + 1)
    journal = result["journal"]
    # All before the kill, some until then, and what was under way when it came.
    assert posted < journal["acknowledged"] < posted + plan.killed.count
    assert 0 <= journal["recorded"] <= journal["unanswered"] <= plan.killed.clients
    assert journal["unanswered"] > 0
    assert journal["accepted"] == journal["acknowledged"] + journal["recorded"]
    assert (result["subscribers"], result["subscribers_mib"] > 0) == (plan.subscribers, True)
    assert result["fsync_us"] > 0
    assert all(
        0 < run["p50_ms"] <= run["p99_ms"] and run["node_cpu_us"] > 0 for run in result["runs"]
    )
    assert set(result["of_cap"]) == {run["name"] for run in result["runs"]}
    assert set(result["floors"]) == {
        *(
            "post-64",
            "batch",
            "idle_mib",
            "subscribers_mib",
            "post-1_ms",
            "policy_us",
            "start_s",
        )
    }
    started = result["started"]
    assert started["endpoints"] == plan.endpoints
    assert started["documents_mib"] > 0
    assert min(started["first_s"], started["again_s"], started["again_cpu_s"]) > 0
    assert result["floors"]["start_s"]["found"] == started["again_s"]
    assert result["cap"]["per_s"] > 0
    assert set(result["costs"]) == set(SUITES)
    for costs in result["costs"].values():
        assert {"sign_us", "admit_us", "verify_us", "open_us", "decode_us"} <= set(costs)
        assert 0 < costs["policy_us"] < costs["verify_us"]
        assert {"seal_1_us", "seal_5_us", "seal_20_us"} <= set(costs)
        assert 0 < costs["parse_share"] < 1
    # A busy machine voids a run, and says so; nothing else may.
    assert all("not a quiet machine" in reason for reason in result["void"])
    assert done.returncode == (1 if result["void"] else 0), done.stderr


def test_quick_bench_of_the_link_tells_each_figure_beside_its_target() -> None:
    more = ["--backlog", "2400"]
    done = subprocess.run(
        [*(sys.executable, "-m", "exchange", "bench", "--link", "--quick", "--json"), *more],
        cwd=ROOT,
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["backlog"], result["void"]) == (2400, [])
    rates = result["crossed_per_s"], result["accepted_per_s"]
    targets = result["targets"]
    assert targets["ratio"] == {
        "floor": 0.5,
        "found": rates[0] / rates[1],
        "is_met": rates[0] >= 0.5 * rates[1],
    }
    assert targets["flash_ms"]["floor"] == 1000 + result["round_trip_ms"]
    assert targets["cosigned_ms"]["floor"] == 2000
    for name in ("flash", "cosigned", "vouched"):
        spread = result[name]
        assert 0 < spread["p50_ms"] <= spread["p99_ms"] <= spread["max_ms"], name
    assert result["flash"]["count"] > 0
    assert result["cosigned"]["count"] == crossing.QUICK.checkpoints
    for name in ("accepting_cpu_us", "home_cpu_us", "abroad_cpu_us"):
        assert result[name] > 0, name


def test_verifying_a_signed_journal_is_told_whole_again_and_with_what_is_new() -> None:
    run = verifying.run

    def small(folder: Path, size: int, told: Callable[[str], None]) -> verifying.Verified:
        made.append(run(folder, size // 10, told, grown=80))
        return made[-1]

    made: list[verifying.Verified] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(verifying, "run", small)
        ran = CliRunner().invoke(cli, ["bench", "--verify", "4000"])
    assert ran.exit_code == 0, ran.output
    (told,) = made
    assert told.void == []
    whole_, again, grown = told.costs
    # Four pairs of endpoints share them evenly; and a node has entries of its own.
    assert 400 <= whole_.new == told.entries < 400 + 40
    assert again.new == 0
    assert 80 <= grown.new < 80 + 40
    for each in told.costs:
        assert each.seconds > 0
        assert each.cpu_s > 0
        # Not what the process that started it held: that is this one, much larger or smaller.
        assert each.memory_mib > 10
    lines = ran.output.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["the", "again,", "again,"]
    assert f" {whole_.new} " in lines[1]
    assert "a million entries: " in lines[4]


def test_verification_that_does_not_end_well_voids_the_figures(tmp_path: Path) -> None:
    at = verifying._Auditor.verify

    def wrong(self: verifying._Auditor, name: str, new: int) -> verifying.Cost:
        if name == "again":
            self.file.write_bytes(self.file.read_bytes()[:-4096])
        return at(self, name, new)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(verifying._Auditor, "verify", wrong)
        told = verifying.run(tmp_path, 80, silent, grown=8)
    assert told.void[0] == "audit verify ended with 5"


def test_backlog_of_which_one_did_not_cross_voids_the_run(tmp_path: Path) -> None:
    def forgetful(self: crossing.Bench, seen: list[tuple[float, int]]) -> None:
        rate(self, [*seen, (seen[-1][0] + 1, seen[-1][1] - 1)])

    rate = crossing.Bench.rate
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(crossing.Bench, "rate", forgetful)
        result = crossing.run(crossing.Plan(1200, 1, 0.1), tmp_path, silent)
    assert result.void == ["posted 1200, crossed 1199"]


def test_node_is_killed_in_mid_load_and_what_it_acknowledged_is_there(tmp_path: Path) -> None:
    result = whole.run(TINY, tmp_path, silent)
    assert [each for each in result.void if "not a quiet machine" not in each] == []
    said = next((tmp_path / "node").glob("said.jsonl")).read_text()
    # The node that opened what was left ended as it was asked to; the killed one did not.
    assert said.count('"ready"') == said.count('"stopping"') == 1
    assert result.journal["unanswered"] > 0


def test_id_posted_twice_and_a_receipt_that_the_reopened_journal_lacks_void_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def double(made: whole.Load) -> None:
        first = made[load.POSTERS[0]]
        first[1] = first[0]

    def forgetful(folder: Path) -> dict[int, bytes]:
        found = trial_accepted_in(folder)
        # One from the first run: of the last ones, some were under way when the node died.
        del found[min(found)]
        return found

    trial_accepted_in = trial.accepted_in
    monkeypatch.setattr(trial, "accepted_in", forgetful)
    result = whole.run(TINY, tmp_path, silent, double)
    assert any("not accepted" in each for each in result.void), result.void
    assert any("is not what was acknowledged" in each for each in result.void), result.void


class Trial:
    """One real trial, and what its audit is told; each test changes one thing of it."""

    def __init__(self, folder: Path) -> None:
        place = load.found_exercise(folder, "exercise")
        maker = load.makers(place)[0]
        sealer = load.Sealer(maker)
        self.view = sealer.view
        made = [sealer.envelope(load.READERS[:1]) for _ in range(6)]
        self.envelopes = dict(enumerate(made))
        certificate = (place.node / "certificate.pem").read_text(encoding="ascii")
        with trial.running(place.node, "exercise") as node:
            connection = posting.Connection(node.port, certificate)
            token = trial.open_session(connection, sealer, maker.poster)
            self.answers = [
                Answer(
                    [number],
                    *connection.ask("POST", "/v1/objects", envelope.framed(), token)[1:],
                )
                for number, envelope in self.envelopes.items()
            ]
            connection.close()
        self.accepted = trial.accepted_in(place.node)

    def audit(
        self, answers: list[Answer] | None = None, accepted: dict[int, bytes] | None = None
    ) -> list[str]:
        posted = Posted(self.envelopes, self.answers if answers is None else answers)
        return trial.audit(posted, self.accepted if accepted is None else accepted, self.view)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial(tmp_path_factory.mktemp("trial"))


def test_an_honest_run_counts(real: Trial) -> None:
    assert real.audit() == []


def test_a_lost_answer_voids_the_run(real: Trial) -> None:
    assert real.audit(real.answers[1:]) == ["posted 5, acknowledged 5, in the journal 6"]


def test_an_acknowledged_entry_that_is_not_there_voids_the_run(real: Trial) -> None:
    left = dict(real.accepted)
    index = max(left)
    del left[index]
    assert f"entry {index} is not what was acknowledged" in real.audit(accepted=left)


def test_one_entry_acknowledged_twice_voids_the_run(real: Trial) -> None:
    first, second, *rest = real.answers
    twice = real.audit([first, second._replace(body=first.body), *rest])
    assert any("acknowledged twice" in reason for reason in twice)


def test_what_got_no_answer_may_be_recorded_once_and_nothing_else(real: Trial) -> None:
    *rest, last = real.answers
    (number,) = last.numbers

    def audited(unanswered: frozenset[int], accepted: dict[int, bytes]) -> list[str]:
        posted = Posted(real.envelopes, rest, unanswered)
        return trial.audit(posted, accepted, real.view)

    left = dict(real.accepted)
    assert audited(frozenset({number}), left) == []
    twice = {**left, max(left) + 1: left[max(left)]}
    assert audited(frozenset({number}), twice) == ["posted 5, acknowledged 5, in the journal 6"]
    del left[max(left)]
    assert audited(frozenset({number}), left) == []
    assert audited(frozenset(), real.accepted) != []


def test_a_refusal_voids_the_run(real: Trial) -> None:
    refused = real.answers[0]._replace(status=422)
    assert "status 422" in real.audit([refused, *real.answers[1:]])[0]


def test_a_batch_with_one_problem_in_it_voids_the_run(real: Trial) -> None:
    problem = {"problem": msgspec.to_builtins(PROBLEM)}
    lines = msgspec.json.Encoder().encode_lines(
        [{"receipt": msgspec.Raw(real.answers[0].body)}, problem]
    )
    batch = Answer([0, 1], 200, lines, 0.0)
    assert "1 receipts for 2" in real.audit([batch, *real.answers[2:]])[0]


def test_a_receipt_that_does_not_verify_voids_the_run(real: Trial) -> None:
    broken = real.answers[0].body.replace(b'"signature":"', b'"signature":"AAAA', 1)
    forged = real.audit([real.answers[0]._replace(body=broken), *real.answers[1:]])
    assert any(reason.startswith("receipt of entry") for reason in forged)


@pytest.mark.parametrize(
    ("before", "after", "counts"), [(100, 86, True), (100, 84, False), (84, 100, False)]
)
def test_a_yardstick_that_moved_more_than_15_percent_does_not_count(
    before: float, after: float, counts: bool
) -> None:
    assert (cap.apart(before, after) <= cap.APART) is counts


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 2.0), (0.99, 4.0), (0.25, 1.0), (0.26, 2.0)]
)
def test_quantile_is_the_nearest_rank(share: float, expected: float) -> None:
    assert trial.quantile([1.0, 2.0, 3.0, 4.0], share) == expected


def test_longer_journal_is_measured_against_a_shorter_one(tmp_path: Path) -> None:
    grown = growth.run(tmp_path, 700, 1500, silent)
    assert [cost.name for cost in grown.costs] == [
        *("opening", "page", "empty", "inclusion", "consistency", "append")
    ]
    assert all(cost.small_us > 0 and cost.large_us > 0 for cost in grown.costs)
    assert {cost.name: cost.limit for cost in grown.costs if cost.limit} == growth.LIMITS
    assert (grown.small, grown.large, grown.file_mib > 0) == (700, 1500, True)


@pytest.mark.parametrize(
    ("name", "ratio", "is_met"),
    [
        ("append", 1.5, True),
        ("append", 1.6, False),
        ("page", 2.9, True),
        ("page", 3.1, False),
        # What is to cost the same may differ by what two measurements of it do.
        ("empty", 1.2, True),
        ("empty", 1.3, False),
        ("inclusion", 9.0, True),
    ],
)
def test_limits_are_those_of_the_design(name: str, ratio: float, is_met: bool) -> None:
    assert growth._cost(name, 100.0, 100.0 * ratio).is_met is is_met
