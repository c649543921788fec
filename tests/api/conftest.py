"""On which event loops the tests of the interface run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """A node runs on uvloop: what reaches below a connection is tried on that too."""
    usual = {"asyncio": asyncio.new_event_loop}
    is_below = isinstance(item, pytest.Function) and hasattr(item.module, "BELOW_CONNECTIONS")
    return {**usual, "uvloop": uvloop.new_event_loop} if is_below else usual
