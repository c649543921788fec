"""The description is the one that is served and committed, and the node keeps to it."""

from __future__ import annotations

from typing import get_args

import jsonschema  # type: ignore[import-untyped]
import msgspec
import pytest

from exchange import resources
from exchange.api import openapi
from exchange.api.app import IN_SESSION, OPEN
from exchange.model import wire
from exchange.model.trust import Role
from tests import enrolled
from tests.api.serving import serving, session_request
from tests.builders import AUDIT, MINSA, NOW, OPS, WATCH, decoded, world
from tests.node.running import post

DESCRIPTION = openapi.describe()


def test_committed_description_is_generated_from_the_code():
    assert resources.read("v1/api.openapi.json") == openapi.encode()


@pytest.mark.parametrize(("method", "path"), [each[:2] for each in (*OPEN, *IN_SESSION)])
def test_every_route_is_described(method, path):
    operation = DESCRIPTION["paths"][path.replace(":.+", "")][method.lower()]
    assert operation["summary"].endswith(".")
    assert ("security" in operation) == ((method, path) in {r[:2] for r in IN_SESSION})
    assert "default" in operation["responses"]


def test_description_names_no_route_that_is_not_served():
    served = {path.replace(":.+", "") for _, path, _ in (*OPEN, *IN_SESSION)}
    assert set(DESCRIPTION["paths"]) == served


def test_every_reference_leads_somewhere():
    text = openapi.encode().decode()
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names == set(DESCRIPTION["components"]["schemas"])


def validate(value, path, method, said, status=None):
    operation = DESCRIPTION["paths"][path][method]
    response = operation["responses"][str(status or said.status)]
    (media,) = response["content"]
    assert media == said.media
    schema = {**response["content"][media]["schema"], "components": DESCRIPTION["components"]}
    jsonschema.Draft202012Validator(schema).validate(value)


async def test_live_answers_are_as_described():
    async with serving() as door:
        await door.node.checkpoints.checkpoint()
        envelope = world().envelope()
        said = await door.post(envelope.framed())
        validate(said.json, "/v1/objects", "post", said)
        index = said.json["index"]
        await door.node.checkpoints.checkpoint()
        said = await door.post(envelope.framed() + b"x\n\n", path="/v1/batch")
        for line in said.body.splitlines():
            validate(msgspec.json.decode(line), "/v1/batch", "post", said)
        nonce = (await door.get("/v1/nonce", None)).json["nonce"]
        said = await door.post(session_request(nonce, NOW), None, "/v1/session")
        validate(said.json, "/v1/session", "post", said)
        reads = [
            ("/livez", "/livez"),
            ("/readyz", "/readyz"),
            ("/v1/nonce", "/v1/nonce"),
            ("/v1/inbox", "/v1/inbox"),
            ("/v1/trust", "/v1/trust"),
            ("/v1/receipts/{id}", f"/v1/receipts/{decoded(envelope.header).id}"),
            ("/v1/proof", f"/v1/proof?index={index}"),
            ("/v1/heads", "/v1/heads"),
        ]
        for path, where in reads:
            said = await door.get(where, OPS)
            validate(said.json, path, "get", said)
        said = await door.get("/v1/journal", "us.oig/audit")
        validate(said.json, "/v1/journal", "get", said)
        invited = enrolled.invited(world())
        await door.post(invited + b"\n\n", MINSA)
        asked = enrolled.asked(world(), invited)
        said = await door.post(asked, None, "/v1/enrolments")
        validate(said.json, "/v1/enrolments", "post", said)
        said = await door.get("/v1/invitations", MINSA)
        validate(said.json, "/v1/invitations", "get", said)
        said = await door.get("/v1/openapi.json", None)
        assert said.body == openapi.encode()


async def test_live_problem_is_as_described():
    async with serving() as door:
        for said in (await door.post(b"x\n\n"), await door.get("/v1/proof?index=x", WATCH)):
            schema = DESCRIPTION["paths"]["/v1/objects"]["post"]["responses"]["default"]
            content = schema["content"][wire.PROBLEM_TYPE]["schema"]
            assert said.code
            jsonschema.Draft202012Validator(
                {**content, "components": DESCRIPTION["components"]}
            ).validate(said.json)


def of_every_other_role(endpoint):
    """Who audits may do none of what opens content."""
    roles = [each for each in get_args(Role) if each != "auditor"]
    return msgspec.structs.replace(endpoint, roles=roles)


async def test_bounds_that_are_described_are_those_that_are_kept():
    async with serving() as door:
        await post(door.node, world().amended(OPS, of_every_other_role), MINSA)
        for path, queries in openapi._QUERIES.items():
            for name, least, most, default in queries:
                needed = {each: least_of for each, least_of, _, d in queries if d is None}
                method, _, where = path.rpartition(" ")
                where = where.replace("{digest}", "x").replace("{node}", "pa")
                for value in (least - 1, *([most + 1] if most is not None else [])):
                    query = {**needed, name: value}
                    by = AUDIT if path == "/v1/journal" else OPS
                    said = await door.ask(method or "GET", where, by, params=query)
                    assert said.code == "bad-request", (path, name, value)
                assert default is None or default >= least
