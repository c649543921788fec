"""Every route has its roles: as documented, as described, and as the running node does it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest
import structlog

import exchange
from exchange.api import openapi, roles
from exchange.api.app import IN_SESSION, OPEN
from exchange.errors import Refusal
from exchange.model.trust import Role
from tests import enrolled
from tests.api.listening import listening
from tests.api.serving import serving
from tests.api.test_sessions import PATHS
from tests.builders import COAST, DESK, MINSA, OPS, WATCH, new_id, world
from tests.confirmed import confirmation
from tests.consented import consent, controlled
from tests.node.running import post, until
from tests.requested import answer
from tests.requested import request as asking

ALL = get_args(Role)
PAGE = (Path(exchange.__file__).parents[1] / "docs" / "roles.md").read_text("utf-8")
ROUTE = re.compile(r"^\| `([A-Z]+) (/\S+)` \|(.+)\|", re.MULTILINE)
OBJECT = re.compile(
    r"^\| ([a-z ]+) \| (?:`(\w+)`|any|none) \| (?:`([\w-]+)`)? *\|", re.MULTILINE
)


def documented():
    """What the page says: each route with the roles that are crossed."""
    found = {}
    for method, path, cells in ROUTE.findall(PAGE):
        crossed = [cell.strip() == "x" for cell in cells.split("|")[:5]]
        found[method, path] = {role for role, is_so in zip(ALL, crossed, strict=True) if is_so}
    return found


def with_roles(endpoint, *named):
    return world().amended(
        endpoint, lambda each: msgspec.structs.replace(each, roles=list(named))
    )


def test_page_description_and_code_say_the_same_of_every_route():
    described = {}
    for path, operations in openapi.describe()["paths"].items():
        for method, operation in operations.items():
            is_open = "security" not in operation
            assert is_open == ("x-roles" not in operation), f"{method} {path} has no role"
            if not is_open:
                described[method.upper(), path] = set(operation["x-roles"])
    assert documented() == described
    assert described == {route: set(named) for route, named in roles.ROLES.items()}
    open_paths = {(method, path) for method, path, _ in OPEN}
    assert not open_paths & described.keys()


def test_a_route_without_a_role_is_no_route():
    standing = world().view.standing(OPS)
    with pytest.raises(Refusal) as refused:
        roles.must_have(standing, "GET", "/v1/new")
    assert refused.value.code == "not-found"


async def opened(door, method, path):
    """What a route answers, where it is no problem only that it does."""
    async with door.http.request(
        method,
        door.url + PATHS.get(path, path),
        headers={"Authorization": f"Bearer {door.token(COAST)}"},
        data=b"x\n\n" if method in ("POST", "PATCH") else None,
    ) as answer:
        if answer.content_type == "text/event-stream":
            return None
        body = await answer.read()
    assert answer.status < 500, body
    return msgspec.json.decode(body).get("code") if answer.status >= 400 else None


@pytest.mark.parametrize("role", [*ALL, None])
async def test_each_route_opens_to_these_roles_and_to_no_other(role):
    said = documented()
    async with serving() as door:
        named = [] if role is None else [role]
        await post(door.node, with_roles(COAST, *named), MINSA)
        for method, path, _ in IN_SESSION:
            code = await opened(door, method, path)
            may = role in said[method, path.replace(":.+", "")]
            assert (code != "missing-role") == may, (method, path, role, code)


def before():
    """What is there before: a bulletin to OPS, an invitation, and its request."""
    first = enrolled.invited(world())
    received = world().envelope(endpoint=WATCH, to=[OPS])
    return received, first, enrolled.asked(world(), first)


def made(received, request, sent, held, wanted):
    """Each object as OPS signs it."""
    w = world()
    return {
        "bulletin": w.envelope(to=[WATCH]),
        "grant": w.grant(sent),
        "confirmation": confirmation(w, sent.envelope),
        "consent": consent(w, held.envelope),
        "acknowledgement": w.ack(received, OPS),
        "release": w.release(w.envelope(endpoint=DESK, to=[WATCH]), OPS),
        "subscription": w.subscription(OPS),
        "request": asking(w, OPS, WATCH),
        "answer": answer(w, wanted),
        "invitation": enrolled.invited(w, OPS, id=new_id(), invited="pa.senan/other"),
        "verdict": enrolled.ruled(w, request),
        "trust metadata": w.amended(WATCH, enrolled.operator),
    }


@pytest.mark.parametrize("role", [*ALL, None])
async def test_each_object_is_taken_of_this_role_and_of_no_other(role):
    listed = {name: (needed, code) for name, needed, code in OBJECT.findall(PAGE)}
    received, first, request = before()
    sent, held = world().closed(to=[WATCH]), controlled(world())
    wanted = asking(world())
    async with serving() as door:
        # Sealed while OPS might post; granted and confirmed under the role that is tried.
        await post(door.node, sent.envelope)
        await post(door.node, held.envelope)
        await post(door.node, received, WATCH)
        await post(door.node, first, MINSA)
        await post(door.node, wanted, WATCH)
        assert (await door.post(request, None, "/v1/enrolments")).status == 201
        named = [] if role is None else [role]
        await post(door.node, with_roles(OPS, *named), MINSA)
        objects = made(received, request, sent, held, wanted)
        assert set(objects) == listed.keys() - {"enrolment", "object"}
        for name, what in objects.items():
            raw = what if isinstance(what, bytes) else what.header
            body = b"" if isinstance(what, bytes) else what.body
            said = await door.post(raw + b"\n" + body + b"\n", OPS)
            needed, code = listed[name]
            if role is None:
                assert said.code == "missing-role", name
            elif needed in ("", role):
                assert said.status == 201, (name, said.body)
            else:
                assert said.code == code, (name, said.body)


async def test_a_stream_ends_with_the_role_that_opened_it():
    async with serving() as door, listening(door, COAST) as stream:
        await stream.until("beat")
        await post(door.node, with_roles(COAST), MINSA)
        assert (await stream.until("problem"))["code"] == "missing-role"


async def test_a_role_that_is_taken_away_is_gone_at_the_next_request():
    async with serving() as door:
        assert (await door.get("/v1/journal", "us.oig/audit")).status == 200
        await post(door.node, with_roles("us.oig/audit", "reader"), MINSA)
        assert (await door.get("/v1/journal", "us.oig/audit")).code == "missing-role"


async def test_a_refused_caller_is_named_in_the_diary():
    with structlog.testing.capture_logs() as logs:
        async with serving() as door:
            assert (await door.get("/v1/journal", OPS)).code == "missing-role"
            await until(lambda: any(each["event"] == "refused" for each in logs))
    (told,) = [each for each in logs if each["event"] == "refused"]
    assert (told["caller"], told["code"]) == (OPS, "missing-role")
