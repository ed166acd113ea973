"""What the edge in front of a broker says to a client that it takes for a program: the page for browsers only."""

from random import Random
from string import ascii_letters, digits

from starlette.responses import HTMLResponse, Response

_FILLING = "".join(Random(18).choices(ascii_letters + digits, k=17_500))  # real ones are about 18 kB long
_PAGE = f"""<!DOCTYPE html>
<html lang="en-US"><head><title>Just a moment...</title>
<meta http-equiv="Content-Type" content="text/html; charset=UTF-8">
<meta name="robots" content="noindex,nofollow">
<meta http-equiv="refresh" content="390"></head>
<body class="no-js"><div class="main-wrapper" role="main"><div class="main-content">
<noscript><div class="h2"><span id="challenge-error-text">Enable JavaScript and cookies to continue</span></div></noscript>
</div></div>
<script>(function(){{window._cf_chl_opt={{cType:"managed",cvId:"3",md:"{_FILLING}"}};}}());</script>
</body></html>
"""
_HINTS = (
    "Sec-CH-UA-Bitness, Sec-CH-UA-Arch, Sec-CH-UA-Full-Version, Sec-CH-UA-Mobile, Sec-CH-UA-Model, "
    "Sec-CH-UA-Platform-Version, Sec-CH-UA-Full-Version-List, Sec-CH-UA-Platform, Sec-CH-UA, UA-Bitness, UA-Arch"
)
_HEADERS = {
    "Server": "cloudflare",
    "CF-RAY": "8f1e2d3c4b5a6978-FRA",
    "Accept-CH": _HINTS,
    "Critical-CH": _HINTS,
    "Permissions-Policy": "accelerometer=(),camera=(),geolocation=(),microphone=(),payment=(),usb=()",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "SAMEORIGIN",
    "Cache-Control": "private, no-store, max-age=0",
}


def challenge(status: int) -> Response:
    """With status 200 it is known by its words alone."""
    mitigated = {"cf-mitigated": "challenge"} if status == 403 else {}
    response = HTMLResponse(_PAGE, status_code=status, headers=_HEADERS | mitigated)
    response.set_cookie("__cf_bm", "simulated", max_age=1800, httponly=True)
    return response
