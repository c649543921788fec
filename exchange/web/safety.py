"""What a request must be to be looked at, and what every answer says to the browser.

Sources: Content Security Policy Level 3, Trusted Types, Fetch Metadata Request Headers (W3C);
OWASP ASVS 5, chapter V3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# Nothing but what comes from here; no code or style in a page; no text that becomes code.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_OFF: Final = (
    *("accelerometer", "autoplay", "camera", "display-capture", "fullscreen"),
    *("geolocation", "gyroscope", "hid", "magnetometer", "microphone", "midi", "payment"),
    *("publickey-credentials-get", "screen-wake-lock", "serial", "usb", "xr-spatial-tracking"),
)
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Origin-Agent-Cluster": "?1",
    "Permissions-Policy": ", ".join(f"{name}=()" for name in _OFF),
    # Not `no-referrer`: a form would then come with `Origin: null`.
    "Referrer-Policy": "same-origin",
    "Server": "exchange",
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "X-Frame-Options": "DENY",
}
# Pages, what belongs to them, and what their scripts fetch; never a frame or an object.
_DESTINATIONS: Final = frozenset({"document", "empty", "image", "script", "style"})
_METHODS: Final = frozenset({"GET", "HEAD", "POST"})


def check(method: str, headers: Mapping[str, str], hosts: Collection[str]) -> None:
    """Look at where a request comes from.

    Args:
        method: of the request.
        headers: of the request, their names in any case.
        hosts: what ``Host`` may say, with the port.

    Raises:
        Refusal: ``page-elsewhere``: it is for another host (as after a name was bound to this
            address), comes from another site's page, from no browser, or is to be framed.
    """
    host = headers.get("Host", "")
    if host not in hosts or method not in _METHODS:
        raise Refusal(Code.PAGE_ELSEWHERE)
    # Every browser that is kept up to date says this to a loopback address; others are refused.
    site = headers.get("Sec-Fetch-Site", "")
    if site != "same-origin" and not (site == "none" and method != "POST"):
        raise Refusal(Code.PAGE_ELSEWHERE)
    if headers.get("Sec-Fetch-Dest", "") not in _DESTINATIONS:
        raise Refusal(Code.PAGE_ELSEWHERE)
    origin = headers.get("Origin")
    if (origin is not None or method == "POST") and origin != f"http://{host}":
        raise Refusal(Code.PAGE_ELSEWHERE)
