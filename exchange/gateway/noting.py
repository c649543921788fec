"""What a file says of a bulletin and a draft of it does not: told beside the draft."""

from __future__ import annotations

from typing import Literal

import msgspec

# What was done to it since, whose it was, what it refers to, a cell that leads to no member, a
# marking that is not understood, the narrowest TLP found where not all is marked, a banner
# that says otherwise than the columns.
About = Literal["bears", "origin", "refs", "column", "marking", "tlp", "banner"]


class Noted(msgspec.Struct, frozen=True):
    """One thing left aside: what it is about, and its value as the file has it."""

    about: About
    value: str
