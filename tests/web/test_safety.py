"""What does not come from the application's own pages is refused; and answers bind browsers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import pytest

from exchange.web import door, frame
from exchange.web.live import MAX_LISTENERS
from exchange.web.safety import HEADERS
from exchange.web.serving import listening, served
from tests.web.trial import Trial

OWN = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "document"}
TYPED = {**OWN, "Sec-Fetch-Site": "none"}


class Caller:
    """Whoever reaches the port, with whatever headers."""

    def __init__(self, session, trial, link):
        self.trial, self._session, self._link = trial, session, link
        self.host = link().split("/")[2]
        self.port = int(self.host.rpartition(":")[2])
        self.cookie = ""

    def link(self):
        return self._link().removeprefix(f"http://{self.host}")

    async def come_in(self):
        answer = await self.ask(self.link(), TYPED)
        assert answer.status == 303
        self.cookie = answer.cookies[door.COOKIE].value
        return answer

    async def ask(self, path, headers=OWN, method="GET", host=None, **how):
        told = {"Host": host or self.host, **headers}
        if self.cookie:
            told["Cookie"] = f"{door.COOKIE}={self.cookie}"
        url = f"http://127.0.0.1:{self.port}{path}"
        answer = await self._session.request(
            method, url, headers=told, allow_redirects=False, **how
        )
        if answer.content_type != "text/event-stream":
            await answer.read()
        return answer

    async def post(self, path, fields, **headers):
        told = {**OWN, "Origin": f"http://{self.host}", **headers}
        told = {name: value for name, value in told.items() if value}
        return await self.ask(path, told, "POST", data=fields)


@asynccontextmanager
async def calling(**how):
    trial = Trial(**how)
    jar = aiohttp.DummyCookieJar()
    async with (
        served(trial.app) as link,
        aiohttp.ClientSession(cookie_jar=jar) as session,
    ):
        yield Caller(session, trial, link)


@pytest.fixture
async def caller():
    async with calling() as made:
        yield made


async def code(answer):
    text = await answer.text()
    return text.rpartition("<code>")[2].partition("</code>")[0]


async def test_the_link_becomes_a_cookie_that_no_script_reads(caller):
    answer = await caller.come_in()
    set_by = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(set_by.split("; "))
    assert answer.headers["Location"] == "/"
    assert caller.trial.entered == 1
    assert (await caller.ask("/es/")).status == 200


async def test_without_a_session_nothing_is_shown(caller):
    for path in ("/", "/es/", "/en/second", "/es/live", "/es/nowhere", "/nowhere"):
        answer = await caller.ask(path)
        assert (answer.status, await code(answer)) == (401, "page-session"), path
    answer = await caller.post("/es/settings", {"theme": "dark"})
    assert answer.status == 401


async def test_a_used_link_says_so(caller):
    link = caller.link()
    await caller.ask(link, TYPED)
    answer = await caller.ask(link, TYPED)
    assert (answer.status, await code(answer)) == (403, "page-link")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Dest": "document"},
        {"Sec-Fetch-Site": "same-origin"},
        {**OWN, "Sec-Fetch-Site": "same-site"},
        {**OWN, "Sec-Fetch-Site": "cross-site"},
        {**OWN, "Sec-Fetch-Dest": "iframe"},
        {**OWN, "Sec-Fetch-Dest": "object"},
        {**OWN, "Sec-Fetch-Dest": "serviceworker"},
        {**OWN, "Origin": "http://evil.example"},
        {**OWN, "Origin": "null"},
    ],
)
async def test_what_another_site_or_program_asks_is_refused(caller, headers):
    await caller.come_in()
    for path in ("/es/", caller.link(), caller.trial.pages._environment.globals["assets"]):
        answer = await caller.ask(path, headers)
        assert (answer.status, await code(answer)) == (403, "page-elsewhere"), path
    assert caller.trial.entered == 1


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "evil.example", "x.localhost"])
async def test_another_host_name_is_refused_even_at_this_port(caller, name):
    await caller.come_in()
    answer = await caller.ask("/es/", host=f"{name}:{caller.port}")
    assert (answer.status, await code(answer)) == (403, "page-elsewhere")


async def test_the_plain_address_is_served_where_it_was_asked_for():
    async with calling(is_plain=True) as caller:
        await caller.come_in()
        assert caller.host.startswith("127.0.0.1:")
        assert (await caller.ask("/es/")).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": ""},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_a_form_is_taken_from_our_own_page_only(caller, headers):
    await caller.come_in()
    answer = await caller.post("/es/settings", {"theme": "dark", "back": "/"}, **headers)
    assert (answer.status, await code(answer)) == (403, "page-elsewhere")
    assert 'data-theme="auto"' in await (await caller.ask("/es/")).text()


async def test_settings_are_kept_for_the_session(caller):
    await caller.come_in()
    fields = {"theme": "dark", "keys": "off", "lang": "en", "back": "/second?a=b"}
    answer = await caller.post("/es/settings", fields)
    assert (answer.status, answer.headers["Location"]) == (303, "/en/second?a=b")
    text = await (await caller.ask("/en/second")).text()
    assert 'data-theme="dark"' in text
    assert 'data-keys="off"' in text
    assert (await caller.ask("/")).headers["Location"] == "/en/"


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil", "", "x"])
async def test_settings_lead_nowhere_else(caller, back):
    await caller.come_in()
    answer = await caller.post("/es/settings", {"theme": "neon", "lang": "xx", "back": back})
    assert answer.headers["Location"] == "/es/"
    assert 'data-theme="auto"' in await (await caller.ask("/es/")).text()


async def test_who_leaves_is_out_in_that_browser(caller):
    await caller.come_in()
    answer = await caller.post("/es/leave", {})
    assert answer.status == 200
    assert 'exchange=""' in answer.headers["Set-Cookie"]
    assert (await caller.ask("/es/")).status == 401


async def test_every_answer_tells_the_browser_what_it_may(caller):
    await caller.come_in()
    assets = caller.trial.pages._environment.globals["assets"]
    for path, status in (
        ("/", 303),
        ("/es/", 200),
        (f"{assets}/base.css", 200),
        (f"{assets}/none.css", 404),
        ("/es/nowhere", 404),
        ("/es/broken", 500),
        ("/es/live", 200),
    ):
        answer = await caller.ask(path)
        assert answer.status == status, path
        for name, value in HEADERS.items():
            assert answer.headers.getall(name) == [value], (path, name)
        answer.close()
        kept = "private" if path.endswith("base.css") else "no-store"
        assert answer.headers["Cache-Control"].startswith(kept), path


async def test_the_policy_lets_in_no_inline_code_and_nothing_from_elsewhere():
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert not any(word in policy for word in ("unsafe", "data:", "blob:", "http", "*"))


async def test_a_defect_of_ours_is_a_page_that_quotes_nothing(caller):
    await caller.come_in()
    answer = await caller.ask("/es/broken")
    text = await answer.text()
    assert (answer.status, await code(answer)) == (500, "internal")
    assert "Traceback" not in text
    assert "UndefinedError" not in text


async def test_of_a_file_the_error_is_json(caller):
    await caller.come_in()
    answer = await caller.ask("/es/broken.json")
    assert (await answer.json())["code"] == "internal"


async def test_what_is_too_large_is_refused(caller):
    await caller.come_in()
    answer = await caller.post("/es/settings", {"back": "x" * (frame.MAX_BODY_BYTES + 1)})
    assert (answer.status, await code(answer)) == (413, "oversized")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
async def test_other_methods_are_refused(caller, method):
    await caller.come_in()
    assert (await caller.ask("/es/", method=method)).status == 403


async def test_only_so_many_listen_at_once_and_a_place_is_free_again(caller):
    await caller.come_in()
    open_ = [await caller.ask("/es/live") for _ in range(MAX_LISTENERS)]
    assert (await caller.ask("/es/live")).status == 429
    for answer in open_:
        answer.close()
    for _ in range(200):
        caller.trial.live.publish()  # whoever hung up is noticed at the next write
        await asyncio.sleep(0)
        answer = await caller.ask("/es/live")
        answer.close()
        if answer.status == 200:
            return
    raise AssertionError


async def test_the_port_is_ours_on_both_loopback_addresses():
    sockets = listening()
    port = sockets[0].getsockname()[1]
    try:
        assert {each.getsockname()[1] for each in sockets} == {port}
        with pytest.raises(Exception, match="unavailable"):
            listening(port)
    finally:
        for each in sockets:
            each.close()


async def test_who_leaves_ends_the_news_of_every_window(caller):
    await caller.come_in()
    streams = [await caller.ask("/es/live"), await caller.ask("/en/live")]
    for each in streams:
        assert (await each.content.readline()).startswith(b"data: ")
    await caller.post("/es/leave", {})
    for each in streams:
        rest = await asyncio.wait_for(each.content.read(), 10)
        assert rest == b'\ndata: {"over":true}\n\n'
