"""The built site: links have targets, no public name is missing, nothing comes from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

from website.stage import BUILD, REFERENCE, public_names

HTML = BUILD / "html"
_LOADED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}
"""Tags that make a browser load something, and the attribute that names it."""


class Page(HTMLParser):
    """Anchors, links and loaded files of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what a tag declares or refers to."""
        given = dict(attrs)
        if found := given.get("id"):
            self.anchors.add(found)
        if tag == "a" and (found := given.get("href")):
            self.links.add(found)
        found = given.get(_LOADED.get(tag, ""))
        if found and given.get("rel") not in ("canonical", "next", "prev"):
            self.loaded.add(found)


def problems() -> Iterator[str]:
    """Yield what is wrong with the built site."""
    pages = {path: Page(path) for path in HTML.rglob("*.html")}
    for path, page in pages.items():
        here = path.relative_to(HTML)
        for link in sorted(page.links | page.loaded):
            url, anchor = urldefrag(link)
            if urlsplit(url).scheme or url.startswith("//"):
                if link in page.loaded and not url.startswith("data:"):
                    yield f"{here}: loads {link}"
                continue
            target = (path.parent / unquote(urlsplit(url).path)).resolve() if url else path
            if url.startswith("/"):
                target = HTML / url.lstrip("/")
            if target.is_dir():
                target /= "index.html"
            if not target.exists():
                yield f"{here}: no target: {link}"
            elif anchor and target in pages and unquote(anchor) not in pages[target].anchors:
                yield f"{here}: no anchor: {link}"
    for style in HTML.rglob("*.css"):
        for url in re.findall(r"url\([\"']?(https?:)?//[^)]*", style.read_text("utf-8")):
            yield f"{style.relative_to(HTML)}: loads {url}"
    for module in REFERENCE:
        page = pages[HTML / "reference" / f"{module.rsplit('.', 1)[-1]}.html"]
        for name in public_names(module):
            if not any(one == name or one.endswith(f".{name}") for one in page.anchors):
                yield f"reference: {module}.{name} is missing"
