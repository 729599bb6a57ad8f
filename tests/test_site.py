"""The site of the documents: it builds without a warning, and every link of every page leads somewhere."""

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin

import pytest

import sweep

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent


class Page(HTMLParser):
    """What a page links to and shows, and the anchors that it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name in ("href", "src"):
                self.links.add(value)
            elif value and name in ("id", "name"):
                self.anchors.add(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    command = (sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def pages_of(site: Path) -> dict[str, Page]:
    """The pages by their addresses, `/docs/method/` for docs/method/index.html."""
    found = sorted(path for path in site.rglob("*.html") if path.name != "404.html")
    return {"/" + path.relative_to(site).as_posix().removesuffix("index.html"): Page(path) for path in found}


def test_every_link_leads_somewhere(site: Path) -> None:
    pages = pages_of(site)
    n_checked = 0
    for address, page in pages.items():
        for link in page.links:
            there, _, anchor = urljoin(address, link).partition("#")
            if there.startswith(("http://", "https://", "mailto:", "data:")):
                continue
            if there in pages:
                assert not anchor or unquote(anchor) in pages[there].anchors, f"{address}: {link}"
            else:
                assert (site / there.lstrip("/")).is_file(), f"{address}: {link}"
            n_checked += 1
    assert len(pages) > 15 and n_checked > 500


def test_every_document_is_a_page(site: Path) -> None:
    documents = {path.stem for path in (ROOT / "docs").glob("*.md")} | {"python"}
    assert {path.name for path in (site / "docs").iterdir()} >= documents
    for name in ("index.html", "CHANGELOG/index.html", "SECURITY/index.html", "results/index.html"):
        assert (site / name).is_file(), name


def test_the_reference_has_every_name_of_the_package(site: Path) -> None:
    anchors = Page(site / "docs" / "python" / "index.html").anchors
    for name in sweep.__all__:
        thing = getattr(sweep, name)
        assert f"{thing.__module__}.{thing.__qualname__}" in anchors, name


def test_the_search_finds_documents_and_names(site: Path) -> None:
    entries = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))["docs"]
    found = {entry["location"].partition("#")[0] for entry in entries if "merged_rows" in entry["text"]}
    assert {"results/", "docs/method/"} <= found
    assert any(entry["location"].startswith("docs/python/#sweep.") for entry in entries)


def test_the_site_asks_nothing_of_another_server(site: Path) -> None:
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "fonts.googleapis" not in text and 'src="http' not in text, path
