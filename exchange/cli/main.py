"""The ``exchange`` command: its verbs, each loaded only when it is called."""

from __future__ import annotations

import errno
import functools
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from exchange import __version__
from exchange.cli import expiring, losing, speaking, streams, world
from exchange.cli.home import Home, default
from exchange.cli.output import EXIT_FAULT, fail, problem, show_json
from exchange.cli.usage import Unusable
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.model.codes import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.cli.home import Context
    from exchange.model.codes import Lang

# Verb to module and function; grouped as the README tells them.
VERBS = {
    "demo": "exchange.cli.demo:demo",
    "found": "exchange.cli.begin:found",
    "up": "exchange.cli.node:up",
    "doctor": "exchange.cli.node:doctor",
    "context": "exchange.cli.settings:context",
    "officer": "exchange.cli.officer:officer",
    "invite": "exchange.cli.inviting:invite",
    "enrol": "exchange.cli.keying.enrolling:enrol",
    "approve": "exchange.cli.approving:approve",
    "keys": "exchange.cli.keys:keys",
    "arrangement": "exchange.cli.arrangement:arrangement",
    "incident": "exchange.cli.incident:incident",
    "feeds": "exchange.cli.feeds:feeds",
    "subscribe": "exchange.cli.feeds:subscribe",
    "unsubscribe": "exchange.cli.feeds:unsubscribe",
    "draft": "exchange.cli.drafting:draft",
    "check": "exchange.cli.writing:check",
    "post": "exchange.cli.writing:post",
    "reply": "exchange.cli.writing:reply",
    "release": "exchange.cli.releasing:release",
    "grant": "exchange.cli.granting:grant",
    "consent": "exchange.cli.consenting:consent",
    "request": "exchange.cli.request:request",
    "confirm": "exchange.cli.confirming:confirm",
    "outbox": "exchange.cli.outboxing:outbox",
    "inbox": "exchange.cli.reading:inbox",
    "view": "exchange.cli.view:view",
    "watch": "exchange.cli.watching:watch",
    "desk": "exchange.cli.desk:desk",
    "read": "exchange.cli.reading:read",
    "ack": "exchange.cli.reading:ack",
    "case": "exchange.cli.case:case",
    "trace": "exchange.cli.tracing:trace",
    "export": "exchange.cli.exporting:export",
    "import": "exchange.cli.exporting:import_",
    "package": "exchange.cli.packaging:own",
    "explain": "exchange.cli.looking:explain",
    "schema": "exchange.cli.schema:schema",
    "dcf": "exchange.cli.dcf:dcf",
    "inspect": "exchange.cli.looking:inspect",
    "audit": "exchange.cli.auditing:audit",
    "journal": "exchange.cli.journaling:journal",
    "witness": "exchange.cli.witnessing:witness",
    "peers": "exchange.cli.peers:peers",
    "link": "exchange.cli.carrying:link",
    "backup": "exchange.cli.backup:backup",
    "restore": "exchange.cli.backup:restore",
    "bench": "exchange.cli.bench:bench",
    "completion": "exchange.cli.settings:completion",
}


EXIT_INTERRUPTED = 130


class _Verbs(click.Group):
    # Its command lines are read, and nothing is done.
    is_idle = False

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return speaking.told(speaking.idle(command) if self.is_idle else command)

    def main(self, args: Sequence[str] | None = None, **options: Any) -> NoReturn:  # type: ignore[override]
        """Run a command line in the reader's language; what is wrong with it is told so too.

        Ctrl-C ends with 130, as shells expect, and not as a refusal.
        """
        words = sys.argv[1:] if args is None else list(args)
        speaking.speak(speaking.asked_for(words))
        options["standalone_mode"] = False
        try:
            sys.exit(click.Group.main(speaking.told(self), words, **options) or 0)
        except click.ClickException as error:
            if "--json" in words:
                show_json({"error": self._problem(error, words)})
            else:
                error.show()
            sys.exit(error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            sys.exit(EXIT_INTERRUPTED)

    def _problem(self, error: click.ClickException, words: list[str]) -> dict[str, Any]:
        """Return a usage error as plain values, in both languages."""
        spoken, told = speaking.spoken(), {}
        for lang in LANGUAGES:
            speaking.speak(lang)
            said = error.format_message()
            if not isinstance(error, Unusable) and lang != spoken:
                # Click fills in its words when it finds something: so it looks once more.
                said = self._said_of(words) or said
            told[lang] = problem(Refusal(Code.USAGE, "", found=said.rstrip(".")))
        speaking.speak(spoken)
        return {**told["en"], "es": told["es"]["es"]}

    def _said_of(self, words: list[str]) -> str | None:
        """Return what is wrong with a command line, in the language that is spoken."""
        reader = speaking.idle(speaking.told(self))
        reader.is_idle = True
        try:
            click.Group.main(reader, words, standalone_mode=False)
        except click.ClickException as error:
            return error.format_message()
        return None


class Session:
    """What every verb is given: home, context, language, and whether JSON is wanted."""

    def __init__(self, home: Home, chosen: str | None, lang: Lang) -> None:
        """Keep what the command line said."""
        self.home = home
        self.chosen = chosen
        self.lang: Lang = lang
        self.as_json = False
        self._used: Context | None = None

    def context(self) -> Context:
        """Return the context to work in."""
        self._used = self.home.current(self.chosen)
        # On stderr, in JSON too: nobody may overlook it, and ``outbox`` lists it for a month.
        self._used.on_loss = lambda loss: click.echo(losing.line(loss, self.lang), err=True)
        return self._used

    def expiring(self) -> list[dict[str, Any]]:
        """Return which keys of the context that was used are about to end, or have ended."""
        if self._used is None:
            return []
        try:
            return expiring.rows(self._used.lapses(), world.now())
        except ExchangeError:
            # Whoever needs that file refuses to work without it; this is only a reminder.
            return []

    def announce(self) -> None:
        """Say on stderr which keys are about to end; JSON has them as a member."""
        rows = self.expiring()
        if self._used is None or not rows or self.as_json:
            return
        endpoint = self._used.profile().endpoint
        for row in rows:
            click.echo(expiring.line(row, endpoint, self.lang), err=True)

    def say(self, spanish: str, english: str) -> None:
        """Print a line in the reader's language; nothing where JSON is wanted."""
        if not self.as_json:
            click.echo(spanish if self.lang == "es" else english)


def _all_in_json(ctx: click.Context, _: click.Parameter, as_json: bool) -> None:
    if as_json:
        # Said before the verb, it is meant for it.
        ctx.default_map = {name: {"as_json": True} for name in VERBS}


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="exchange")
@click.option(
    "--home", type=click.Path(path_type=Path), help="Folder of contexts (EXCHANGE_HOME)."
)
@click.option("--context", "chosen", help="Which endpoint to act as (EXCHANGE_CONTEXT).")
@click.option("--lang", type=click.Choice(["es", "en"]), help="Language of what is shown.")
@click.option("--plain", is_flag=True, help="No colour (also NO_COLOR).")
@click.option(
    "--json", is_flag=True, help="Answer in JSON.", expose_value=False, callback=_all_in_json
)
@click.pass_context
def cli(
    ctx: click.Context,
    home: Path | None,
    chosen: str | None,
    lang: str | None,
    plain: bool,  # noqa: ARG001  (read by ``output``)
) -> None:
    """Trade signed, sealed bulletins between agencies of Panama and the United States."""
    ctx.obj = Session(Home(home or default()), chosen, world.language(lang))


def _say_in(ctx: click.Context, _: click.Parameter, lang: Lang | None) -> None:
    if lang is not None and ctx.obj is not None:
        ctx.obj.lang = world.language(lang)


def _be_plain(ctx: click.Context, _: click.Parameter, plain: bool) -> None:
    if plain:
        ctx.find_root().params["plain"] = True


def _shared(function: Callable[..., None]) -> Callable[..., None]:
    """Let what is said before a verb be said after it too: ``--lang`` and ``--plain``."""
    lang = click.option(
        "--lang",
        type=click.Choice(["es", "en"]),
        help="Language of what is shown.",
        expose_value=False,
        hidden=True,
        callback=_say_in,
    )
    plain = click.option(
        "--plain",
        is_flag=True,
        help="No colour (also NO_COLOR).",
        expose_value=False,
        hidden=True,
        callback=_be_plain,
    )
    return lang(plain(function))


def verb(function: Callable[..., None]) -> Callable[..., None]:
    """Give a verb ``--json`` and the session; refusals and faults become words and a code."""

    @_shared
    @click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
    @functools.wraps(function)
    def called(*args: Any, as_json: bool, **options: Any) -> None:
        session: Session = click.get_current_context().obj
        session.as_json = as_json
        try:
            function(session, *args, **options)
            session.announce()
        except ExchangeError as error:
            # That a key has ended may well be why.
            session.announce()
            fail(error, session.lang, as_json=as_json)
        except BrokenPipeError:
            raise
        except OSError as error:
            # A file or folder that was named, or one of ours, cannot be read or written.
            name = str(error.filename or "")
            fault = Fault(Code.FILE, name=name, found=errno.errorcode.get(error.errno or 0, ""))
            fail(fault, session.lang, as_json=as_json)

    return called


def group(function: Callable[[], None]) -> click.Group:
    """Make a group of verbs of a function that has its help; ``--json`` lists them."""

    @click.group(function.__name__, invoke_without_command=True, no_args_is_help=True)
    @_shared
    @click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
    @click.pass_context
    @functools.wraps(function)
    def listed(ctx: click.Context, as_json: bool) -> None:
        made = ctx.command
        verbs = made.commands if isinstance(made, click.Group) else {}
        if not as_json:
            return
        if ctx.invoked_subcommand is not None:
            # Said of the group, it is meant for its verb.
            ctx.default_map = {name: {"as_json": True} for name in verbs}
            return
        rows = [
            {"name": name, "help": each.get_short_help_str(200)} for name, each in verbs.items()
        ]
        show_json({"verbs": rows})

    return listed


def run() -> None:
    """Run the command line; where its answer cannot be written, end as with a fault."""
    streams.steady()
    try:
        try:
            cli.main(prog_name="exchange")
        finally:
            sys.stdout.flush()
    except streams.Unwritten as error:
        streams.give_up(error)
        sys.exit(EXIT_FAULT)
