"""The command line's own words in Spanish: help of verbs and options, and what click says.

Click marks its messages for gettext; so this is gettext too. The words are kept by hand in
``locale/es.json``, from English to Spanish; ``python -m tests.cli.catalog`` makes of them the
file that gettext reads.
"""

from __future__ import annotations

import copy
import gettext
import inspect
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from exchange.cli import world

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.model.codes import Lang

C = TypeVar("C", bound=click.Command)

DOMAIN = "exchange"
FOLDER = Path(__file__).with_name("locale")


def asked_for(words: Sequence[str]) -> Lang:
    """Return the language of a command line: its ``--lang`` if it has one, else the reader's.

    Looked for before anything is parsed: what is wrong with the rest is told in it.
    """
    for place, word in enumerate(words):
        name, has_value, value = word.partition("=")
        if name == "--lang":
            return world.language(value if has_value else "".join(words[place + 1 : place + 2]))
    return world.language()


def speak(lang: Lang) -> None:
    """Have gettext, and so click, speak a language from here on."""
    os.environ["LANGUAGE"] = lang
    gettext.bindtextdomain(DOMAIN, str(FOLDER))
    gettext.textdomain(DOMAIN)


def spoken() -> Lang:
    """Return the language that is spoken."""
    return "es" if os.environ.get("LANGUAGE") == "es" else "en"


def idle(command: C) -> C:
    """Return a copy of a command that is read like it, and does nothing."""
    made = copy.copy(command)
    made.callback = None
    if isinstance(made, click.Group):
        made.commands = {name: idle(each) for name, each in made.commands.items()}
    return made


def told(command: C) -> C:
    """Return a copy of a command whose help is in the language that is spoken."""
    made = copy.copy(command)
    if command.help:
        made.help = gettext.gettext(inspect.cleandoc(command.help))
    made.options_metavar = gettext.gettext(command.options_metavar or "")
    made.params = [_param(each) for each in command.params]
    if isinstance(made, click.Group):
        made.subcommand_metavar = gettext.gettext(made.subcommand_metavar or "")
        made.commands = {name: told(each) for name, each in made.commands.items()}
    return made


def _param(param: click.Parameter) -> click.Parameter:
    made = copy.copy(param)
    if isinstance(made, click.Option):
        made.help = gettext.gettext(made.help) if made.help else made.help
        has_value = not made.is_flag and not isinstance(made.type, click.Choice)
        if made.metavar or has_value:
            made.metavar = gettext.gettext(made.metavar or made.type.name.upper())
    elif not isinstance(made.type, click.Choice):
        name = gettext.gettext(made.metavar or (made.name or "").upper())
        made.metavar = name if made.required else f"[{name}]{'' if made.nargs == 1 else '...'}"
    if isinstance(made.type, click.Path):
        made.type = copy.copy(made.type)
        made.type.name = gettext.gettext(made.type.name)
    return made
