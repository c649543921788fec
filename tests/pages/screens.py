"""Take the pictures of the desk that docs show: ``python -m tests.pages.screens EXERCISE``.

EXERCISE is what ``./run demo --once --keep EXERCISE`` left. Its node is started, each side
posts the other a watch's worth, and each desk is walked through: Panama's in Spanish and light,
the United States' in English and dark. Pictures go to ``docs/screens``; with ``pngquant`` on
the path each has few colours, and is small.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import msgspec

from exchange import resources
from exchange.cli import world
from exchange.cli.demo_drafts import Drafts
from tests.cli.delegation import Person
from tests.cli.exercise import OPS, ROOT, WATCH
from tests.pages.browsing import browser, visit
from tests.pages.filling import base, choose, fill
from tests.pages.standing import desk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from exchange.model.codes import Lang

SCREENS = ROOT / "docs" / "screens"
SIZE = {"width": 1280, "height": 800}
# All of the desk's together: docs are cloned with the code.
MOST_BYTES = 2_500_000
SEATS: tuple[tuple[Lang, Literal["light", "dark"], str, str], ...] = (
    ("es", "light", OPS, "us.jiatfs/watch"),
    ("en", "dark", WATCH, "pa.senan/ops"),
)
MINISTRY = "pa.minseg-desk"
POSTS = {
    WATCH: tuple(f"{each}-2.en.toml" for each in ("voi", "szr", "rfi", "opn", "brq")),
    OPS: tuple(f"{each}-1.es.toml" for each in ("voi", "rfi", "opn", "brq")),
    MINISTRY: ("dlg-1.es.toml",),
}
WORDS = {
    "es": ("EJERCICIO: lancha sin luces al sur de Punta Mala", "EJERCICIO: tres motores."),
    "en": ("EXERCISE: unlit go-fast south of Punta Mala", "EXERCISE: three engines."),
}


class Seat(Person):
    """Where one endpoint of the kept exercise is at home."""

    def __init__(self, root: Path, context: str, kept: Path) -> None:
        super().__init__(root, context)
        self._kept = kept

    def environment(self, **more: str) -> dict[str, str]:
        own = super().environment(EXCHANGE_HOME=str(self._kept / "home"), **more)
        del own["EXCHANGE_PASSPHRASE"]
        file = str(self._kept / "passphrase")
        return {**own, "EXCHANGE_PASSPHRASE_FILE": file, "EXCHANGE_CONTEXT": self.name}


@contextmanager
def node(kept: Path, by: Person) -> Iterator[None]:
    """Run the exercise's node where its endpoints look for it."""
    profile = (kept / "home" / "contexts" / by.name / "profile.json").read_bytes()
    at = urlsplit(msgspec.json.decode(profile)["url"]).netloc
    words = [sys.executable, "-P", "-m", "exchange", "up", "--state", str(kept / "node")]
    log = kept / "node.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*words, "--listen", at], env=by.environment(), stdout=file, stderr=file
        )
    try:
        while b'"event": "ready"' not in log.read_bytes():
            if process.poll() is not None:
                raise SystemExit(log.read_text())
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


def post(seat: Person, to: str) -> None:
    """Post what the other side has on its watch; what is of interest first, as FLASH."""
    drafts = Drafts(resources.schemas() / "v1" / "examples", seat.folder, world.now())
    for name in POSTS[seat.name]:
        path = drafts.write(name)
        text = path.read_text("utf-8").replace("[post]\n", f'[post]\nto = ["{to}"]\n', 1)
        if name.startswith("voi"):
            text = text.replace('precedence = "priority"', 'precedence = "flash"')
            text = text.replace('precedence = "immediate"', 'precedence = "flash"')
        path.write_text(text, encoding="utf-8")
        seat.does("post", str(path), "--yes")


class Camera:
    """Goes through one desk and takes each of its screens."""

    def __init__(self, page: Page, lang: str, theme: str) -> None:
        self.page, self.lang, self.theme = page, lang, theme

    def take(self, name: str, path: str | None = None) -> None:
        """Save what is there, of this address; None: of where it is."""
        if path is not None:
            self.page.goto(f"{base(self.page)}{self.lang}{path}")
        file = SCREENS / f"desk-{name}-{self.lang}-{self.theme}.png"
        self.page.wait_for_load_state("load")
        self.page.screenshot(path=str(file))
        if quantise := shutil.which("pngquant"):
            few = ["--force", "--skip-if-larger", "--speed", "1", "--output", str(file), "64"]
            subprocess.run([quantise, *few, str(file)], check=False)


def walk(camera: Camera, items: dict[str, Any], to: str) -> None:
    """Take every screen of a desk."""
    page = camera.page
    for name, path in (("inbox", "/"), ("map", "/map"), ("requests", "/requests")):
        camera.take(name, path)
    for name in ("calendar", "initiatives", "releases", "sent", "notify"):
        camera.take(name, f"/{name}")
    camera.take("bulletin", f"/entry/{items['voi']}")
    camera.take("boarding", f"/entry/{items['brq']}")
    camera.take("proof", f"/entry/{items['voi']}/proof")
    page.goto(f"{base(page)}{camera.lang}/sent")
    page.locator("tbody tr[data-row] a").first.click()
    camera.take("sent-one")
    written(camera, to)
    camera.take("handover", "/handover")
    page.locator("form[action$='/lock'] button").click()
    page.locator("#passphrase").wait_for()
    camera.take("locked")


def written(camera: Camera, to: str) -> None:
    """Write a bulletin: where one begins, the form, the review, and the seconds to undo."""
    page, (title, why) = camera.page, WORDS[camera.lang]
    camera.take("types", "/compose")
    page.goto(f"{base(page)}{camera.lang}/compose/voi")
    page.locator(f"input[name='/post/to'][value='{to}']").check()
    for nation in ("PAN", "USA"):
        page.locator(f"input[name='/post/marking/releasable_to'][value={nation}]").check()
    fill(page, "/bulletin/title/text", title)
    choose(page, "/bulletin/content/notice", "sighting")
    choose(page, "/bulletin/content/action", "track")
    fill(page, "/bulletin/content/suspicion/text", why)
    fill(page, "/bulletin/content/vessel/name", "EXERCISE GAVIOTA")
    fill(page, "/bulletin/content/seen/at", "231801ZNOV26")
    fill(page, "/bulletin/content/seen/place/geometry", "06 52.986 N 080 24.750 W")
    page.locator("#readers li").wait_for()
    page.evaluate("scrollTo(0, 0)")
    camera.take("compose")
    page.locator("aside button[type=submit]").click()
    page.locator("input[name=shown]").wait_for(state="attached")
    camera.take("review")
    page.locator("main form button[type=submit]").last.click()
    page.locator("#undo").wait_for()
    camera.take("held")
    page.locator("#undo").click()


def main(kept: Path) -> None:
    """Post, and walk through both desks."""
    with tempfile.TemporaryDirectory() as folder, browser() as started:
        seats = {name: Seat(Path(folder), name, kept) for name in POSTS}
        with node(kept, seats[OPS]):
            for _, _, name, other in SEATS:
                post(seats[name], other)
            post(seats[MINISTRY], "pa.senan/ops")
            for lang, theme, name, other in SEATS:
                seats[name].does("officer", {"es": "guardia-1", "en": "watch-1"}[lang])
                held = seats[name].does("inbox")["items"]
                items = {each["type"]: each["index"] for each in held if each["type"]}
                how = {"viewport": SIZE, "color_scheme": theme}
                with (
                    desk(seats[name], lang) as link,
                    visit(started, link, **how) as (page, _, _),
                ):
                    page.locator(".signal-ok [data-value=complete]").wait_for()
                    walk(Camera(page, lang, theme), items, other)
    size = sum(each.stat().st_size for each in SCREENS.glob("desk-*.png"))
    if size > MOST_BYTES:
        raise SystemExit(f"{size} bytes of pictures; {MOST_BYTES} are the most")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
