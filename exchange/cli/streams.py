"""Standard output and error, made to tell what happens to an answer, and to take any letter.

An answer that cannot be written is no refusal: what a verb did is done. So it is told apart
from every other fault of a file, and nobody is led to do it again.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Unwritten(Exception):  # noqa: N818  (the answer's state; the fault is its cause)
    """The answer could not be written to standard output; its ``cause`` says why.

    No OSError, on purpose: it must not pass for a file of ours or of the command line.
    """

    def __init__(self, cause: OSError) -> None:
        """Keep why."""
        super().__init__(str(cause))
        self.cause = cause


class _Answer(io.FileIO):
    def write(self, data: Buffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise Unwritten(error) from error


class _Words(io.FileIO):
    """What is said beside the answer: where nobody can be told, the verb's end still holds."""

    def write(self, data: Buffer, /) -> int:
        with suppress(OSError):
            return super().write(data)
        return memoryview(data).nbytes


def steady() -> None:
    """Make this process's standard output and error fit to answer on.

    A closed one becomes a null file, under its own number: a journal opened later must not get
    it, and then what is printed. What a terminal's letters have no place for is escaped.
    """
    sys.stdout, sys.stderr = _open(sys.stdout, 1), _open(sys.stderr, 2)
    raw = _Answer(1, "wb", closefd=False)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=sys.stdout.encoding,
        errors="backslashreplace",
        line_buffering=raw.isatty(),
        write_through=os.environ.get("PYTHONUNBUFFERED", "") != "",
    )
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(_Words(2, "wb", closefd=False)),
        encoding=sys.stderr.encoding,
        errors="backslashreplace",
        line_buffering=True,
    )


def _open(stream: TextIO | None, number: int) -> TextIO:
    if stream is not None:
        return stream
    null(number)
    return cast("TextIO", os.fdopen(number, "w", encoding="utf-8", closefd=False))


def null(number: int) -> None:
    """Have what is written under this number go nowhere."""
    handle = os.open(os.devnull, os.O_WRONLY)
    if handle != number:
        os.dup2(handle, number)
        os.close(handle)


def give_up(error: Unwritten) -> None:
    """Say on stderr that the answer was not written; a reader that left (``| head``) knows."""
    # What is still held would be written once more at the end.
    null(1)
    if error.cause.errno == errno.EPIPE:
        return
    from exchange import render  # noqa: PLC0415  (start-up)
    from exchange.cli import world  # noqa: PLC0415
    from exchange.cli.speaking import spoken  # noqa: PLC0415
    from exchange.errors import Code, Fault  # noqa: PLC0415

    found = errno.errorcode.get(error.cause.errno or 0, "?")
    told = render.refusal_text(Fault(Code.UNWRITTEN, found=found), spoken(), world.codes())
    with suppress(OSError):
        print(told, file=sys.stderr)  # noqa: T201
