"""The committed JSON Schema documents agree with the structs, and with decoding."""

from __future__ import annotations

import json
from functools import cache

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from exchange import resources
from exchange.model.bulletin import TYPES, rules, schemas
from tests.model.bulletins import CODES, NAMES, plain, put, verdict

RICH = tuple(sorted(name for name in NAMES if name not in {"voi-1.es.toml", "sta-1.es.toml"}))
# What is spelt wrong is refused before any schema: see schemas/README.md.
LEXICAL = {"lexical-number", "control-character", "duplicate-member", "schema-not-known"}
OTHERS: tuple[object, ...] = (None, True, 7, -1, 2.5, "zz", "", [], {}, [{}], "x" * 30_000)


@cache
def validator(code):
    document = json.loads(resources.read(f"v1/{code}.schema.json"))
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


def test_the_committed_documents_are_the_generated_ones():
    made = schemas.documents(CODES)
    assert set(made) == {f"{code}.schema.json" for code in TYPES}
    for name, document in made.items():
        assert resources.read(f"v1/{name}") == document, "run python -m tests.model.regenerate"
    committed = {path.name for path in (resources.schemas() / "v1").glob("*.schema.json")}
    assert committed == set(made)


@pytest.mark.parametrize("name", NAMES)
def test_both_accept_every_example(name):
    values = plain(name)
    assert verdict(values) is None
    assert validator(values["type"]).is_valid(values)


def places(value, at=""):
    """Go through every member and item, with its pointer."""
    inside = enumerate(value) if isinstance(value, list) else ()
    for key, inner in value.items() if isinstance(value, dict) else inside:
        yield f"{at}/{key}", inner
        yield from places(inner, f"{at}/{key}")


def mutations(name):
    """Drop each member, replace each by another kind, add one to each object."""
    original = plain(name)
    # A second language or a second item is like the first.
    known = [(at, value) for at, value in places(original) if "/translations" not in at]
    for at, value in known:
        yield at, put(plain(name), at, ...)
        for other in OTHERS:
            yield at, put(plain(name), at, other)
        if isinstance(value, dict):
            yield at, put(plain(name), f"{at}/unexpected", 1)
        if isinstance(value, str):
            yield at, put(plain(name), at, value + "x")
            yield at, put(plain(name), at, value.swapcase())
    yield "", {**original, "unexpected": 1}


@pytest.mark.parametrize("name", RICH)
def test_both_give_the_same_verdict_on_every_mutation(name):
    code, count, refused = plain(name)["type"], 0, 0
    for at, values in mutations(name):
        refusal = verdict(values)
        accepted = validator(code).is_valid(values)
        count += 1
        refused += refusal is not None
        if refusal is None:
            assert accepted, at
        elif accepted:
            # Only spelling or one of the listed rules may refuse what a schema accepts.
            listed = refusal.facts.get("expected") in rules.RULES
            # What a correction tells may be any value to a schema: see schemas/README.md.
            listed = listed or refusal.at.startswith("/content/changes/")
            assert listed or refusal.code.value in LEXICAL, (at, str(refusal))
    assert count > 200
    assert refused > count // 2


def test_a_schema_refuses_what_another_types_schema_accepts():
    assert not validator("voi").is_valid(plain("szr-1"))
