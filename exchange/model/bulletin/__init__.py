"""Bulletins: what agencies say to each other, as frozen structs with a strict codec.

``words`` are the scalars, ``blocks`` the shared parts, then the contents by theme; ``kinds``
puts them under the common top. ``lexical``, ``decoding`` and ``rules`` are what a reader
checks, in that order.
"""

from exchange.model.bulletin.audience import check as check_audience
from exchange.model.bulletin.audience import check_onward, overdue
from exchange.model.bulletin.decoding import decode, encode
from exchange.model.bulletin.difference import changes, corrected, unfounded
from exchange.model.bulletin.indicators import Indicator, doubts, indicators
from exchange.model.bulletin.kinds import (
    TYPES,
    VERBS,
    AnyBulletin,
    Brp,
    Brq,
    Brr,
    Bulletin,
    Can,
    Con,
    Cor,
    Crm,
    Dcf,
    Dlg,
    Mig,
    Ocn,
    OfNewerType,
    Opn,
    Rfi,
    Rpy,
    Smg,
    Sta,
    Szr,
    Voi,
    repeated,
)
from exchange.model.bulletin.lexical import MAX_BYTES
from exchange.model.bulletin.newer import Newer
from exchange.model.bulletin.newer import decode as decode_newer
from exchange.model.bulletin.strangers import Unknown
from exchange.model.bulletin.words import SCHEMA

__all__ = [
    "MAX_BYTES",
    "SCHEMA",
    "TYPES",
    "VERBS",
    "AnyBulletin",
    "Brp",
    "Brq",
    "Brr",
    "Bulletin",
    "Can",
    "Con",
    "Cor",
    "Crm",
    "Dcf",
    "Dlg",
    "Indicator",
    "Mig",
    "Newer",
    "Ocn",
    "OfNewerType",
    "Opn",
    "Rfi",
    "Rpy",
    "Smg",
    "Sta",
    "Szr",
    "Unknown",
    "Voi",
    "changes",
    "check_audience",
    "check_onward",
    "corrected",
    "decode",
    "decode_newer",
    "doubts",
    "encode",
    "indicators",
    "overdue",
    "repeated",
    "unfounded",
]
