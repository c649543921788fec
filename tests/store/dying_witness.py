"""A witness that is killed before each of its lines in turn: ``python -m ... FOLDER``.

For each line that it runs while it cosigns, a process of its own begins on an empty memory, is
asked for one past, and kills itself before that line. What it had sent by then lies in
``FOLDER/N/out``. Ends when a process ran all its lines, and prints how many there were.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exchange.node.witness import Witness
from exchange.store.witnessed import WitnessFiles
from tests.node.witnessed import LOGS, NOW, OWN, asked

if TYPE_CHECKING:
    from types import FrameType

_WATCHED = ("exchange/store/witnessed.py", "exchange/node/witness.py")


class Death:
    """Comes before the line of this number, counted over all threads."""

    def __init__(self, number: int) -> None:
        self._left = number
        self._lock = threading.Lock()

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.endswith(_WATCHED):
            return None
        if event == "line":
            with self._lock:
                self._left -= 1
                if self._left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        return self


async def cosign(folder: Path, number: int) -> None:
    recall = WitnessFiles.open(folder)
    witness = Witness(LOGS, OWN, recall, lambda: NOW * 1000)
    # The second of two: so there is something to replace.
    assert (await witness.add(asked(0, 7).encode())).status == 200
    death = Death(number)
    threading.settrace(death)
    sys.settrace(death)
    answer = await witness.add(asked(7, 20).encode())
    sys.settrace(None)
    assert answer.status == 200
    (folder / "out").write_bytes(answer.body)


def main() -> None:
    number = 0
    while True:
        folder = Path(sys.argv[1]) / str(number)
        folder.mkdir()
        WitnessFiles.found(folder)
        child = os.fork()
        if child == 0:
            asyncio.run(cosign(folder, number))
            os._exit(0)
        if os.WEXITSTATUS(status := os.waitpid(child, 0)[1]) == 0 and not os.WIFSIGNALED(
            status
        ):
            break
        number += 1
    print(number)  # noqa: T201


if __name__ == "__main__":
    main()
