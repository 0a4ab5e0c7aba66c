"""A strict HTML parser: a display must be well formed, and hold nothing that could run or load."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

TAGS = {
    *(
        "style",
        "div",
        "span",
        "bdi",
        "strong",
        "em",
        "s",
        "i",
        "code",
        "figure",
        "figcaption",
        "ul",
        "li",
        "dl",
        "dt",
        "dd",
    ),
    *("table", "caption", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"class", "dir", "lang", "title", "scope", "style", "tabindex", "role", "aria-label", "aria-hidden"}


@dataclass
class Element:
    """An element, with its texts and inner elements in order."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Any] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text that a person reads."""
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def walk(self) -> Iterator[Element]:
        """Yield this element and all elements inside it, in document order."""
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def all(self, tag: str) -> list[Element]:
        """Return the elements of a tag."""
        return [element for element in self.walk() if element.tag == tag]

    def of(self, name: str) -> list[Element]:
        """Return the elements of a class, given without ``d7nb-``."""
        return [element for element in self.walk() if f"d7nb-{name}" in element.attributes.get("class", "").split()]

    def one(self, name: str) -> Element:
        """Return the only element of a class."""
        (element,) = self.of(name)
        return element

    @property
    def shape(self) -> list[str]:
        """Tags and classes of all elements inside, except for those that mark up text."""
        inline = {"strong", "em", "s", "code"}
        return [
            f"{element.tag}.{element.attributes.get('class', '')}"
            for element in self.walk()
            if element.tag not in inline and element.attributes.get("class") not in {"d7nb-unseen", "d7nb-more"}
        ]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("")
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        names = [name for name, _ in attrs]
        assert set(names) <= ATTRIBUTES, names
        assert len(names) == len(set(names)), names
        element = Element(tag, {name: value or "" for name, value in attrs})
        assert "style" not in names or element.attributes["style"].startswith("flex-grow:")
        self.open[-1].children.append(element)
        self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        raise AssertionError(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, tag

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)


def read(html: str) -> Element:
    """Parse a display, and fail if an element is not closed, or has an attribute that it should not."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == [reader.root], reader.open[-1].tag
    (style,) = reader.root.all("style")  # a display contains the stylesheet once
    for pattern in ("url(", "@import", "//", "expression"):
        assert pattern not in style.text
    reader.root.children.remove(style)
    assert html.encode()
    return reader.root
