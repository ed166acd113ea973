"""What stands in a page: its headings, links and blocks of code, as a reader's browser finds them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

_PARSER = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    line: int  # of its first row of backticks
    language: str
    text: str
    remark: str  # in the comment right before it, which no reader sees


def blocks(text: str) -> list[Block]:
    found, remark = [], ""
    for token in _PARSER.parse(text):
        if token.type == "fence":
            line = token.map[0] + 1 if token.map else 0
            found.append(Block(line=line, language=token.info, text=token.content, remark=remark))
        remark = ""
        if token.type == "html_block":
            remark = token.content.removeprefix("<!--").strip().removesuffix("-->").strip()
    return found


def links(text: str) -> list[str]:
    """Where they lead to, pictures included."""
    return [
        str(place)
        for token in _inline(text)
        for each in token.children or ()
        if (place := each.attrGet("href") or each.attrGet("src"))
    ]


@cache
def anchors(text: str) -> frozenset[str]:
    """The names of its headings behind a `#`."""
    tokens = _PARSER.parse(text)
    titles = [following.content for token, following in pairwise(tokens) if token.type == "heading_open"]
    return frozenset(map(slug, titles))


def slug(title: str) -> str:
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title)
    return re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")


def _inline(text: str) -> Iterator[Token]:
    return (token for token in _PARSER.parse(text) if token.type == "inline")
