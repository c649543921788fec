"""What the node counts, in Prometheus's text format, for whoever runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from exchange.api.routes import NODE
from exchange.broker import chasing
from exchange.broker.pressing import RANKS
from exchange.errors import Code, Refusal
from exchange.policy import expiry
from exchange.policy.ageing import overdue_s
from exchange.policy.chasing import is_active

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchange.model.view import View
    from exchange.node.links import Links
    from exchange.node.ports import ChasedRow
    from exchange.node.served import Health, Refused

CERTIFICATE_ENDS = web.AppKey("certificate_ends", int)


async def metrics(request: web.Request) -> web.Response:
    """Return what the node counts, for a Prometheus on its own machine."""
    # The tempo of refusals and commits is not for strangers, nor whose keys are about to end.
    if request.remote not in ("127.0.0.1", "::1"):
        raise Refusal(Code.NOT_FOUND)
    node = request.app[NODE]
    now, health = node.now(), await node.health()
    lines = [
        "# TYPE exchange_journal_entries gauge",
        f"exchange_journal_entries {health.size}",
        "# TYPE exchange_epoch gauge",
        f"exchange_epoch {health.epoch}",
        *_shipped(health),
        *_unwitnessed(health),
        *_linked(health.links),
        *_refused(refused := await node.all_refused()),
        *_damaged(refused),
        "# HELP exchange_certificate_expiry_seconds Until the TLS certificate ends.",
        "# TYPE exchange_certificate_expiry_seconds gauge",
        f"exchange_certificate_expiry_seconds {request.app[CERTIFICATE_ENDS] - now}",
        *_kept(await node.blobs.kept()),
        *_trusted(node.view, now),
        *_expiring(node.view, now),
        *_pressing(node.view, await node.store.waiting(now), now),
        *_chased(node.view, await node.store.chased(now), now),
    ]
    return web.Response(text="\n".join(lines) + "\n", content_type="text/plain")


def _shipped(health: Health) -> list[str]:
    """Return how far the second place is behind; nothing where there is none."""
    if health.shipped is None:
        return []
    return [
        "# HELP exchange_second_place_lag_entries Durable, not yet in the second place.",
        "# TYPE exchange_second_place_lag_entries gauge",
        f"exchange_second_place_lag_entries {max(health.size - health.shipped, 0)}",
    ]


def _unwitnessed(health: Health) -> list[str]:
    """Return for how long no quorum has vouched; nothing where none must."""
    if health.unwitnessed_s is None:
        return []
    name = "exchange_unwitnessed_seconds"
    return [
        f"# HELP {name} Since a quorum of witnesses vouched: warn over 120.",
        f"# TYPE {name} gauge",
        f"{name} {health.unwitnessed_s}",
    ]


_OF_A_LINK = ("up", "since")


def _linked(links: Links | None) -> list[str]:
    """Return how the links to other nodes are; nothing where there are none."""
    if links is None:
        return []
    told = [
        ("up", "Whether it answers: alarm on 0 for minutes.", "up"),
        ("state_since_seconds", "When that began to be so (UTC).", "since"),
        ("stopped", "What it said does not hold, and no more is taken: alarm on 1.", "stopped"),
        ("trust_behind", "Documents in force there and not here: alarm on 1.", "trust_behind"),
        ("waiting_entries", "Not here for an attachment that lacks: alarm on any.", "waiting"),
        ("pulled_entries", "Of its journal, looked through for what is ours.", "pulled"),
        ("entries", "Of its journal, by its newest checkpoint seen.", "size"),
        ("lag_seconds", "For how long not all that it showed is here.", "lag_s"),
        ("checkpoint_seconds", "When it dated its newest checkpoint seen (UTC).", "seen"),
        ("cosigned_seconds", "When its witness cosigned ours last (UTC).", "cosigned_at"),
        ("cosigned_entries", "Of our journal, when that was.", "cosigned"),
        ("vouched_entries", "Of its journal, when our witness cosigned it.", "vouched"),
        ("leaf_entries", "Of its journal, of which hashes are kept here.", "leaves"),
    ]
    lines: list[str] = []
    for name, words, member in told:
        full = f"exchange_peer_{name}"
        lines += [f"# HELP {full} {words}", f"# TYPE {full} gauge"]
        lines += [
            f'{full}{{node="{each.node}"}} {int(getattr(each, member))}'
            for each in links.peers
            # Of what comes by files alone, no link is up or down.
            if not (each.by_file and member in _OF_A_LINK)
        ]
    return [
        *lines,
        "# HELP exchange_evidence Files that convict a journal: alarm on any.",
        "# TYPE exchange_evidence gauge",
        f"exchange_evidence {len(links.evidence)}",
        "# HELP exchange_own_witness_down Our own witness vouches for nobody: alarm on 1.",
        "# TYPE exchange_own_witness_down gauge",
        f"exchange_own_witness_down {int(bool(links.trouble))}",
        "# HELP exchange_link_connections To our own link, from wherever.",
        "# TYPE exchange_link_connections gauge",
        f"exchange_link_connections {links.callers}",
        "# HELP exchange_link_turned_away_total Hung up on: no room, or not said who: alarm.",
        "# TYPE exchange_link_turned_away_total counter",
        f"exchange_link_turned_away_total {links.turned_away}",
    ]


def _refused(refused: Refused) -> list[str]:
    lines = ["# TYPE exchange_refused_total counter"]
    return lines + [
        f'exchange_refused_total{{code="{code}",route="{route}"}} {count}'
        for (code, route), count in sorted(refused.items())
    ]


def _damaged(refused: Refused) -> list[str]:
    name, code = "exchange_attachments_damaged_total", Code.ATTACHMENT_DAMAGED.value
    count = sum(told for (each, _), told in refused.items() if each == code)
    return [
        f"# HELP {name} Asked for, but lost or altered here: alarm on any.",
        f"# TYPE {name} counter",
        f"{name} {count}",
    ]


def _kept(kept: Mapping[str, int]) -> list[str]:
    lines = [
        "# HELP exchange_kept_bytes Attachments kept of an organisation; kept_bytes bounds it.",
        "# TYPE exchange_kept_bytes gauge",
    ]
    return lines + [
        f'exchange_kept_bytes{{member="{member}"}} {size}'
        for member, size in sorted(kept.items())
    ]


def _trusted(view: View, now: int) -> list[str]:
    """Return how long what custodians signed still holds: then a nation's mail stops."""
    name = "exchange_trust_expiry_seconds"
    return [
        f"# HELP {name} Until a file of the custodians ends: alarm under 30 days (2592000).",
        f"# TYPE {name} gauge",
        *(
            f'{name}{{role="{role}"}} {until - now}'
            for role, until in expiry.files(view).items()
        ),
    ]


def _expiring(view: View, now: int) -> list[str]:
    """Return how many endpoints are about to be unable to sign or to be sealed to; no names."""
    lines = [
        "# HELP exchange_endpoints_key_expiring Endpoints whose key ends so soon; 0: ended.",
        "# TYPE exchange_endpoints_key_expiring gauge",
    ]
    return lines + [
        f'exchange_endpoints_key_expiring{{within_days="{days}"}} {count}'
        for days, count in sorted(expiry.counts(view, now).items())
    ]


def _pressing(view: View, waiting: Sequence[tuple[int, int]], now: int) -> list[str]:
    """Return how many FLASH and IMMEDIATE wait for a recipient; no names."""
    name, past = "exchange_unacknowledged", "exchange_unacknowledged_overdue"
    told, arrangement = [], view.arrangement
    for rank, precedence in enumerate(RANKS):
        taken = [taken_ms for each, taken_ms in waiting if each == rank]
        over = sum(
            arrangement is not None
            and overdue_s(arrangement, precedence, each, now) is not None
            for each in taken
        )
        told.append((precedence, len(taken), over))
    return [
        f"# HELP {name} Recipients that did not acknowledge an unexpired bulletin yet.",
        f"# TYPE {name} gauge",
        *(f'{name}{{precedence="{precedence}"}} {count}' for precedence, count, _ in told),
        f"# HELP {past} Of these, past the arrangement's target: alarm on flash over 0.",
        f"# TYPE {past} gauge",
        *(f'{past}{{precedence="{precedence}"}} {over}' for precedence, _, over in told),
    ]


def _chased(view: View, chased: Sequence[ChasedRow], now: int) -> list[str]:
    """Return how many cancellations and corrections wait for a holder to acknowledge; no names.

    A holder that is suspended can answer nothing: it is counted apart, by the rule's name.
    """
    name, past, given_up = (
        "exchange_chased",
        "exchange_chased_overdue",
        "exchange_chase_given_up",
    )
    told, arrangement = [], view.arrangement
    active = [row for row in chased if is_active(view, row.endpoint)]
    for rank, precedence in enumerate(chasing.RANKS):
        taken = [row.taken_ms for row in active if row.rank == rank]
        over = sum(
            arrangement is not None
            and overdue_s(arrangement, precedence, each, now) is not None
            for each in taken
        )
        told.append((precedence, len(taken), over))
    return [
        f"# HELP {name} Holders that did not acknowledge a cancellation or correction yet.",
        f"# TYPE {name} gauge",
        *(f'{name}{{precedence="{precedence}"}} {count}' for precedence, count, _ in told),
        f"# HELP {past} Of these, past the arrangement's target: alarm on any.",
        f"# TYPE {past} gauge",
        *(f'{past}{{precedence="{precedence}"}} {over}' for precedence, _, over in told),
        f"# HELP {given_up} Not chased, by a named rule, while it lasts.",
        f"# TYPE {given_up} gauge",
        f'{given_up}{{rule="holder-revoked"}} {len(chased) - len(active)}',
    ]
