"""HTML as a tree, to look at pages as clients' selectors do."""

from html.parser import HTMLParser
from xml.etree.ElementTree import Element, TreeBuilder

_VOID = frozenset(("input", "meta", "br", "link"))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.builder = TreeBuilder()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.builder.start(tag, {name: value or "" for name, value in attrs})
        if tag in _VOID:
            self.builder.end(tag)

    def handle_endtag(self, tag: str) -> None:
        self.builder.end(tag)

    def handle_data(self, data: str) -> None:
        self.builder.data(data)


def tree(page: str) -> Element:
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader.builder.close()


def with_classes(page: Element, *classes: str) -> list[Element]:
    return [each for each in page.iter() if set(classes) <= set(each.get("class", "").split())]
