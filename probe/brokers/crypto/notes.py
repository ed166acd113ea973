"""Single observations and what they mean, where no other answer is needed to judge them."""

from probe.model.failures import Blame, Failure
from probe.model.meanings import Effect, Trouble

DOCS_OPEN = Trouble(
    code="http.200-not-101",
    sentence="the backend shows its whole programming interface to everybody (/openapi.json)",
    advice="Correct in development; in production switch the documentation off (openapi_url=None).",
    effect=Effect.NOTED,
    blame=Blame.BROKER,
    certain=True,
)
CORS_OPEN = Trouble(
    code="http.403-origin",
    sentence="the backend lets pages of every origin call it",
    advice="List the origins of your own pages in its CORS middleware.",
    effect=Effect.NOTED,
    blame=Blame.BROKER,
    certain=True,
)
LEAKS = Trouble(
    code="http.bad-gateway",
    sentence="an error's answer shows the inside of the backend (a trace, addresses of its database)",
    advice="Answer status 500 with a request's id and nothing else; the log has the rest.",
    effect=Effect.NOTED,
    blame=Blame.BROKER,
    certain=True,
)


def snapshots_late(age: float | None, allowed: float) -> Trouble | None:
    """None as an age: there is no snapshot of the last day, as with a new account."""
    if age is not None and age <= allowed:
        return None
    old = "there is no snapshot of the portfolio from the last day"
    if age is not None:
        old = f"the newest snapshot of the portfolio is {age / 60:.0f} min old"
    return Trouble(
        code="data.stale-history",
        sentence=f"{old}: the task that writes them seems to have died",
        advice="Restart the backend's background tasks; if it writes them less often, say so (snapshot_minutes).",
        effect=Effect.DEGRADES if age is not None else Effect.NOTED,
        blame=Blame.BROKER,
    )


def unknown_symbol(said: str) -> Trouble:
    return Trouble(
        code="data.unknown-asset",
        sentence=f"the backend does not know the symbol: {said}",
        advice="Check the symbol, and how it is written there (symbol_style in the dialect).",
        effect=Effect.DEGRADES,
        blame=Blame.US,
    )


def trouble_of_failure(failure: Failure) -> Trouble:
    """Of one that is an answer all the same."""
    kind = failure.facts
    return Trouble(
        code=kind.code,
        sentence=str(failure),
        advice="Check the path in the dialect, and with a browser what is there.",
        effect=Effect.STALLS if failure.kind == "http.bad-gateway" else Effect.DEGRADES,
        blame=kind.blame,
    )
