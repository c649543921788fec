"""The committed examples as they are handed to the gateway, and others' judges of the files."""

from __future__ import annotations

import json
import sys
import types
from functools import cache
from importlib import import_module
from typing import Any

import msgspec

from exchange import gateway
from exchange.gateway import Cover, Format
from exchange.model.codes import Lang
from tests.model.bulletins import CODES, NAMES, drafted, example

ISSUED = 1_795_600_000  # 2026-11-25
SHORT = [name.split(".")[0] for name in NAMES]
# No example may leave as an alert: all are under originator control.
WIDE = {"tlp": "green", "handling": [], "originator_control": False}


def cover(name: str, **marking: Any) -> Cover:
    """The cover of an example, its marking changed."""
    file = next(found for found in NAMES if found.startswith(name))
    made = gateway.of_draft(drafted(file), example(name), ISSUED)
    changed = msgspec.structs.replace(made.marking, **marking)
    return msgspec.structs.replace(made, marking=changed)


def exported(name: str, to: Format, lang: Lang = "en", **marking: Any) -> bytes:
    given = marking or (WIDE if to == "cap" else {})
    return gateway.export(example(name), cover(name, **given), to, lang, CODES)


def parsed(name: str, to: Format, lang: Lang = "en", **marking: Any) -> Any:
    return json.loads(exported(name, to, lang, **marking))


def filled(draft: str) -> bytes:
    """An imported draft, with how to post it written as a person would."""
    lines = 'feed = "maritime"', 'expires = "72h"', 'retain = "365d"'
    return draft.replace("[post]\n", "\n".join(["[post]", *lines, ""]), 1).encode()


@cache
def validator() -> Any:
    """The STIX validator, without the one package that is to be had as source only.

    It looks for ``cpe`` when it is imported, and would call it for software; we write none.
    """
    absent: Any = types.ModuleType("cpe")
    absent.CPE = None
    sys.modules.setdefault("cpe", absent)
    return import_module("stix2validator")
