"""The agency's own copy of the trust documents: fetched, verified from the anchor, folded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal
from exchange.model import wire
from exchange.model.view import View
from exchange.seal import trust

if TYPE_CHECKING:
    from exchange.client.transport import Transport


class TrustLog:
    """Every view there has been, oldest first: an old bulletin is judged under its own."""

    def __init__(self, anchor: str) -> None:
        """Trust nothing but the anchor."""
        self._views = [View(anchor=anchor)]

    @property
    def newest(self) -> View:
        """The view in force, as far as it was fetched."""
        return self._views[-1]

    def at(self, index: int) -> View:
        """Return the view whose newest trust entry is at that journal index.

        Raises:
            Refusal: ``trust-invalid``: the node names a view that it never showed us.
        """
        for view in reversed(self._views):
            if view.index == index:
                return view
        raise Refusal(Code.TRUST_INVALID, "/view", found=index)

    async def refresh(self, transport: Transport) -> View:
        """Fetch and verify what is new; return the view in force.

        Raises:
            Refusal: a document does not follow from those before it, or one is missing.
        """
        while True:
            page = await transport.get_as(wire.TrustPage, "/v1/trust", after=self.newest.index)
            for item in page.items:
                self._fold(item)
            if self.newest.position >= page.total:
                return self.newest
            if not page.items:
                raise Refusal(Code.TRUST_INVALID, "/total", expected=page.total)

    def _fold(self, item: wire.TrustItem) -> None:
        if item.position != self.newest.position or item.index <= self.newest.index:
            raise Refusal(Code.TRUST_INVALID, "/position", expected=self.newest.position)
        raw = item.document.encode()
        self._views.append(trust.apply(raw, self.newest, item.index, item.taken_ms // 1000))
