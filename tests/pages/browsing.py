"""Debian's chromium, driven by Playwright: one for a run, a fresh profile for each test."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from exchange.web.serving import served
from tests.peers.javascript import HERE as PEERS
from tests.peers.javascript import needs_packages as needs_axe

CHROMIUM = shutil.which("chromium")
ARGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
AXE = PEERS / "node_modules" / "axe-core" / "axe.min.js"
STANDARD = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")

# Not on the list of skips: in CI they run, or the run fails.
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

__all__ = ["browser", "needs_axe", "needs_chromium", "serving", "violations"]


@contextmanager
def browser() -> Iterator[Browser]:
    """Start the browser."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=list(ARGS), headless=True
        )
        yield started
        started.close()


class Visit(NamedTuple):
    """A page of a browser that is in, and every address that it asked for."""

    page: Page
    asked: list[str]
    # What the page's console said: a breach of its policy, a script that failed.
    said: list[str]


@contextmanager
def visit(started: Browser, link: str, **how: Any) -> Iterator[Visit]:
    """Come in by a link."""
    context: BrowserContext = started.new_context(**how)
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(link)
    yield Visit(page, asked, said)
    context.close()


class Serving(NamedTuple):
    """An application that is served in a thread of its own."""

    link: Callable[[], str]
    call: Callable[[Callable[[], None]], None]


@contextmanager
def serving(app: web.Application) -> Iterator[Serving]:
    """Serve an application beside the browser, which Playwright drives in this thread."""
    loop, ready, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    links: list[Callable[[], str]] = []

    async def run() -> None:
        async with served(app) as link:
            links.append(link)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert ready.wait(30)
    try:

        def call(do: Callable[[], None]) -> None:
            loop.call_soon_threadsafe(do)

        yield Serving(links[0], call)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(30)
        loop.close()


THEMES = ("light", "dark", "contrast")


def violations(page: Page) -> list[str]:
    """Return what axe-core finds on a page, in each theme; it goes past the page's policy."""
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate(
        """async ({tags, themes}) => {
          const root = document.documentElement, before = root.dataset.theme, found = [];
          for (const theme of themes) {
            root.dataset.theme = theme;
            const runOnly = { type: "tag", values: tags };
            const told = await axe.run(document, { runOnly, resultTypes: ["violations"] });
            for (const each of told.violations)
              for (const { html, failureSummary } of each.nodes)
                found.push([theme, each.id, html.slice(0, 160), failureSummary].join(" "));
          }
          root.dataset.theme = before;
          return found;
        }""",
        {"tags": list(STANDARD), "themes": list(THEMES)},
    )
    return [str(each) for each in found]


def shot(page: Page, path: Path) -> None:
    """Save what a page shows, whole."""
    page.screenshot(path=str(path), full_page=True)
