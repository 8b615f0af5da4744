"""A plot as a file of its own: what the page's style sheet says of it becomes attributes with literal colours.

Paper, slides and most viewers know neither style sheets with variables nor a dark mode, and would draw all in black.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from xml.etree import ElementTree

NAMESPACE = "http://www.w3.org/2000/svg"
ATTRIBUTES = ("fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-weight", "font-size")
Element = ElementTree.Element
Parts = tuple[frozenset[str], ...]


@cache
def asset(name: str) -> str:
    """The text of a file beside the templates."""
    return (files("xstilts.reports") / "templates" / name).read_text(encoding="utf-8")


@cache
def _rules() -> list[tuple[Parts, dict[str, str]]]:
    """(a selector's parts, each a tag and classes; what it sets), in the order of the sheet, without media rules."""
    sheet = re.sub(r"@media [^{]*\{(?:[^{}]*\{[^{}]*\})*\s*\}", "", asset("plots.css"))
    made = []
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", sheet):
        values = {
            key.strip(): value.strip() for key, value in (line.split(":", 1) for line in body.split(";") if ":" in line)
        }
        split = [[frozenset(re.findall(r"\.?[\w-]+", part)) for part in one.split()] for one in selectors.split(",")]
        made += [(tuple(parts), values) for parts in split]
    return made


def standalone(svg: str) -> str:
    """The plot as a file, in its colours on paper."""
    ElementTree.register_namespace("", NAMESPACE)
    root = ElementTree.fromstring(svg)
    _paint(root, (), {})
    root.set("font-family", "sans-serif")
    root.insert(2, Element(f"{{{NAMESPACE}}}rect", {"width": "100%", "height": "100%", "fill": "#ffffff"}))
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _paint(element: Element, above: Parts, inherited: Mapping[str, str]) -> None:
    classes = (f".{name}" for name in (element.get("class") or "").split())
    path = (*above, frozenset({element.tag.removeprefix(f"{{{NAMESPACE}}}"), *classes}))
    found: dict[str, str] = {}
    for selector, values in _rules():
        if _matches(selector, path):
            found.update(values)
    variables = {**inherited, **{key: value for key, value in found.items() if key.startswith("--")}}
    for name in ATTRIBUTES:
        if name in found:
            element.set(name, _resolved(found[name], variables))
    for child in element:
        _paint(child, path, variables)


def _matches(selector: Parts, path: Parts) -> bool:
    """Whether the last part is the element's and the others are, in their order, those of elements above it."""
    if not selector[-1] <= path[-1]:
        return False
    rest = iter(path[:-1])
    return all(any(part <= one for one in rest) for part in selector[:-1])


def _resolved(value: str, variables: Mapping[str, str]) -> str:
    while match := re.fullmatch(r"var\((--[\w-]+)\)", value):
        value = variables[match[1]]
    return value
