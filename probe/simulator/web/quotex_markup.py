"""Quotex's pages, as far as its clients look at them: their selectors find here what they find on the broker's."""

import json
from html import escape

_FRAME = """<!DOCTYPE html>
<html lang="{lang}"><head><meta charset="utf-8">
<title>{title}</title>
{script}</head>
<body>
{body}
<footer>Simulated by tradeprobe.</footer>
</body></html>
"""

# Programs that steer a browser take the second e-mail and password of the page, those of the form in tab 1.
_SIGN_UP = """<div id="tab-2"><form method="post" action="/{lang}/sign-up/">
<input type="hidden" name="_token" value="{token}">
<div><input type="email" name="email" placeholder="E-mail"></div>
<div><input type="password" name="password" placeholder="Password"></div>
<button type="submit">Sign up</button>
</form></div>"""

_SIGN_IN = """<div id="tab-1"><form method="post" action="/{lang}/sign-in/">
<input type="hidden" name="_token" value="{token}">
<div class="input-control-cabinet"><input type="email" name="email" placeholder="E-mail" required>{error}</div>
<div class="input-control-cabinet"><input type="password" name="password" placeholder="Password" required></div>
<label><input type="checkbox" name="remember" value="1" checked> Remember me</label>
<button type="submit">Sign in</button>
</form></div>"""

# It carries the classes of every markup that was seen.
_ERROR = '<div class="input-control-cabinet__hint hint hint--danger">{words}</div>'

_REGION = """<div id="tab-1"><div class="modal-sign__not-avalible">
<div class="modal-sign__not-avalible__title">Our service is not available in your region</div>
</div></div>"""

_PIN = """<main class="auth__body"><p>Please enter the PIN-code we've just sent to your email</p>
<form method="post" action="/{lang}/sign-in/modal">
<input type="hidden" name="_token" value="{token}">
<input type="hidden" name="keep_code" value="1">
<input type="hidden" name="email" value="{email}">
<input type="hidden" name="password" value="{password}">
<input type="hidden" name="remember" value="1">
<div><input type="text" name="code" placeholder="PIN" maxlength="6" autocomplete="one-time-code">{error}</div>
<button type="submit">Confirm</button>
</form></main>"""

# What clients look for is the script and the empty place; the rest is for people.
_TRADE = """<div id="root"></div>
<p>You are signed in to the built-in simulator of tradeprobe, not to the broker: there is nothing to trade here, and the
socket is at <code>/socket.io/</code> on this host and port (<a href="/">its whole address</a>).</p>
<p><a href="/{lang}/logout">Sign out</a></p>"""


def sign_in_page(lang: str, form_token: str, *, refused: bool = False) -> str:
    error = _ERROR.format(words="These credentials do not match our records.") if refused else ""
    forms = (_SIGN_UP + "\n" + _SIGN_IN).format(lang=escape(lang), token=form_token, error=error)
    return _page(lang, "Log in", forms, script=_settings({"csrf": form_token}))


def region_page(lang: str) -> str:
    return _page(lang, "Log in", _REGION)


def pin_page(lang: str, form_token: str, *, email: str, password: str, refused: bool) -> str:
    error = _ERROR.format(words="The PIN-code is wrong") if refused else ""
    given = {"email": escape(email), "password": escape(password)}
    return _page(lang, "Log in", _PIN.format(lang=escape(lang), token=form_token, error=error, **given))


def trade_page(lang: str, *, token: str, form_token: str) -> str:
    return _trade_page(lang, _settings({"token": token, "csrf": form_token}))


def trade_page_with_broken_settings(lang: str) -> str:
    return _trade_page(
        lang, '<script type="text/javascript">window.settings = {"token": undefined};</script>\n'
    )


def _trade_page(lang: str, script: str) -> str:
    return _page(lang, "Trading", _TRADE.format(lang=escape(lang)), script=script)


def bare_page(lang: str, title: str) -> str:
    back = f'<p><a href="/{escape(lang)}/sign-in">To the sign-in page</a></p>'
    return _page(lang, title, f"<h1>{title}</h1>\n{back}")


def _page(lang: str, title: str, body: str, *, script: str = "") -> str:
    return _FRAME.format(lang=escape(lang), title=title, body=body, script=script)


def _settings(values: dict[str, str]) -> str:
    # Clients take the page's first script, drop every semicolon, and read what follows the equals sign as JSON.
    text = json.dumps(values, separators=(",", ":"))
    return f'<script type="text/javascript">window.settings = {text};</script>\n'
