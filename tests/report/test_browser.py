"""The page in a real browser: Debian's Chromium, driven by playwright.

`make browser` installs it. Without it these tests are skipped by name, except where CI is set: there it is a failure.
"""

import os
import re
import shutil
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.folders import swept

import sweep
from sweep.report.page.page import write_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
EXPERIMENT = """
fixed: {epochs: 60, learning_rate: 0.05}  # </script><img src=x onerror="window.owned = true">
vary:
  width: [2, 3, 8]
  depth: [1, 2]
  activation: [relu, tanh]
  optimizer: [adam, sgd]
  seed: 8
reliability: {target: 0.3}
"""
HOSTILE = "</script><img src=x onerror=window.owned=true>"


@pytest.fixture(scope="module")
def browser() -> Generator[Any]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing, and CI must not skip the browser tests: make browser")
        pytest.skip("Chromium is missing: make browser installs it")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield started
        started.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a small sweep whose words are hostile, in a folder with a space in its name."""
    folder = swept(tmp_path_factory.mktemp("page"), EXPERIMENT, "my results")
    for name in ("configurations.csv", "runs.csv"):
        path = folder / name
        path.write_text(path.read_text().replace(",sgd,", f",{HOSTILE},"))
    return write_page(sweep.load(folder))


class Visit:
    """One tab with the page open, and what it complained about or asked for."""

    def __init__(self, browser: Any, file: Path, **known: Any) -> None:
        self.context = browser.new_context(**known)
        self.page = self.context.new_page()
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())

    def ids(self) -> Sequence[str]:
        """The configurations in the table, from above."""
        return self.page.locator("#table .id").all_inner_texts()

    def column(self, title: str) -> Sequence[str]:
        """The texts of one column of the table."""
        titles = [t.strip(" ▲▼") for t in self.page.locator("#table thead th").all_inner_texts()]
        place = titles.index(title)
        return self.page.locator(f"#table tr.row td:nth-child({place + 1})").all_inner_texts()


@pytest.fixture
def visit(browser: Any, file: Path) -> Generator[Visit]:
    opened = Visit(browser, file, viewport={"width": 1200, "height": 900})
    yield opened
    assert opened.messages == []
    assert opened.requests == [file.as_uri()]
    assert opened.page.evaluate("window.owned") is None
    opened.context.close()


def test_it_opens_from_disk_and_asks_for_nothing(visit: Visit) -> None:
    assert visit.page.locator("h1").inner_text() == "Which configurations reliably learn xor?"
    assert len(visit.ids()) == 24
    assert visit.page.locator("#status").inner_text() == "24 of 24 configurations"
    assert visit.page.locator("button.cell").count() == 24


def test_sorting_changes_the_order_both_ways(visit: Visit) -> None:
    header = visit.page.locator("#table th", has_text="parameters")
    header.get_by_role("button").click()
    rising = [int(t) for t in visit.column("parameters")]
    assert rising == sorted(rising) and len(set(rising)) > 1
    assert header.get_attribute("aria-sort") == "ascending"
    visit.page.keyboard.press("Enter")  # the header keeps the focus
    assert [int(t) for t in visit.column("parameters")] == sorted(rising, reverse=True)
    assert visit.page.locator("#table th[aria-sort]").count() == 1
    assert visit.page.locator("#table th[aria-sort=descending]").inner_text().startswith("parameters")


def test_what_is_missing_is_sorted_last(visit: Visit) -> None:
    button = visit.page.locator("#table th", has_text="median epochs").get_by_role("button")
    for _ in range(2):
        button.click()
        texts = visit.column("median epochs")
        n_shown = sum(t != "" for t in texts)
        assert 0 < n_shown < len(texts) and all(texts[:n_shown])


def test_filters_change_table_and_map(visit: Visit) -> None:
    visit.page.locator("#filters label", has_text="activation").locator("select").select_option(label="tanh")
    assert set(visit.column("activation")) == {"tanh"}
    assert len(visit.ids()) == visit.page.locator("button.cell").count() == 12
    visit.page.locator("#filters input").fill("width 8 tanh")
    assert set(visit.column("width")) == {"8"}
    assert visit.page.locator("#status").inner_text().startswith("4 of 24")
    visit.page.get_by_role("button", name="Show all").click()
    assert len(visit.ids()) == 24


def test_facets_of_the_map_change_what_is_seen(visit: Visit) -> None:
    def heads() -> Sequence[str]:
        return visit.page.locator("#map-view th.facet").all_inner_texts()

    before = heads()
    assert len(before) == 2
    choices = visit.page.locator("#map-controls select")
    choices.nth(2).select_option(label="width")
    assert heads() == ["width 2", "width 3", "width 8"]
    assert choices.nth(0).evaluate("e => e.value") != "width"  # no hyperparameter stands in two places
    assert visit.page.locator("button.cell").count() == 24
    choices = visit.page.locator("#map-controls select")
    choices.nth(2).select_option(label="nothing")
    assert heads() == []


def test_other_hyperparameters_can_be_pooled(visit: Visit) -> None:
    choices = visit.page.locator("#map-controls select")
    assert visit.page.locator("button.cell").count() == 24
    choices.nth(3).select_option(label="pooled: mean rates")
    assert visit.page.locator("button.cell").count() == 12
    cell = visit.page.locator("button.cell").first
    assert (cell.get_attribute("aria-label") or "").startswith("2 configurations, mean success rate ")
    cell.click()
    assert visit.page.locator("#status").inner_text() == "2 of 24 configurations; only those of one cell of the map"


def test_a_cell_tells_its_interval_and_opens_its_configuration(visit: Visit) -> None:
    cell = visit.page.locator("button.cell").nth(5)
    cell.hover()
    tip = visit.page.locator("#tip")
    assert re.search(r"\d of 8 learned.*interval 0\.\d{3}–[01]\.\d{3} \(wilson\)", tip.inner_text(), re.DOTALL)
    cell.click()
    detail = visit.page.locator(".detail")
    assert detail.count() == 1 and detail.is_visible()
    assert cell.get_attribute("aria-label").split(",")[0] in detail.locator("h3").inner_text()


def test_the_map_works_with_the_keyboard(visit: Visit) -> None:
    assert visit.page.locator("button.cell[tabindex='0']").count() == 1
    visit.page.locator("button.cell[tabindex='0']").focus()
    label = "document.activeElement.getAttribute('aria-label')"
    first = visit.page.evaluate(label)
    visit.page.keyboard.press("ArrowRight")
    second = visit.page.evaluate(label)
    visit.page.keyboard.press("ArrowDown")
    third = visit.page.evaluate(label)
    assert len({first, second, third}) == 3
    assert visit.page.locator("#tip").is_visible()
    visit.page.keyboard.press("Escape")
    assert not visit.page.locator("#tip").is_visible()
    visit.page.keyboard.press("Enter")
    assert visit.page.locator(".detail").count() == 1


def test_a_row_opens_by_key_and_shows_the_configuration(visit: Visit, file: Path) -> None:
    results = sweep.load(file.parent)
    visit.page.locator("#table .id").first.focus()
    visit.page.keyboard.press("Enter")
    detail = visit.page.locator(".detail")
    identity = detail.locator(".inner").get_attribute("id")
    runs = results.runs[results.runs["configuration"] == identity]
    assert detail.locator(".seeds span").count() == len(runs) == 8
    titles = [s.get_attribute("title") for s in detail.locator(".seeds span").all()]
    assert titles == [f"seed {s}: {o}" for s, o in zip(runs["seed"], runs["outcome"], strict=True)]
    assert detail.locator("canvas").count() == runs["outcome"].nunique()
    detail.locator(".seeds span").nth(3).click()
    commands = detail.locator("code").all_inner_texts()
    assert commands == [f"sweep replay '{file.parent}' {identity}-3", f"sweep rescue '{file.parent}' {identity}"]
    visit.page.locator("#table .id").first.press("Enter")
    assert visit.page.locator(".detail").count() == 0


def test_a_surface_is_painted_as_the_network_answers(visit: Visit) -> None:
    visit.page.locator("#table .id").first.click()
    colours = visit.page.evaluate(
        """() => {
            const canvas = document.querySelector('.detail canvas'), c = canvas.getContext('2d');
            const all = c.getImageData(0, 0, 300, 300).data;
            const at = (x, y) => Array.from(all.slice(4 * (300 * y + x), 4 * (300 * y + x) + 4));
            return [at(50, 235), at(50, 65)]; }"""  # beside (0,0), of target 0, and (0,1), of target 1
    )
    (zero, one) = colours
    assert zero[2] > zero[0] and one[0] > one[2]


def test_an_address_opens_its_configuration(visit: Visit, file: Path) -> None:
    link = visit.page.locator("#matters tbody a").first
    identity = link.get_attribute("href").removeprefix("#")
    link.click()
    assert visit.page.locator(".detail .inner").get_attribute("id") == identity


def test_hostile_names_stay_text(visit: Visit) -> None:
    assert HOSTILE in visit.column("optimizer")
    assert visit.page.locator("img").count() == 0
    assert "onerror" in visit.page.locator("#experiment").inner_text()
    visit.page.locator("#table .id").last.click()
    visit.page.locator("button.cell").last.hover()
    assert visit.page.locator("img").count() == 0


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        *((360, "light"), (1280, "dark")),
        *(pytest.param(w, s, marks=pytest.mark.slow) for w, s in [(360, "dark"), (800, "light"), (1280, "light")]),
    ],
)
def test_no_serious_fault_of_accessibility(browser: Any, file: Path, width: int, scheme: str) -> None:
    from axe_core_python.sync_playwright import Axe

    opened = Visit(browser, file, viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
    opened.page.locator("#table .id").first.click()
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    found = Axe().run(opened.page)["violations"]
    serious = [(v["id"], [n["html"] for n in v["nodes"][:3]]) for v in found if v["impact"] in ("serious", "critical")]
    assert serious == []
    opened.context.close()


def test_it_can_be_printed(browser: Any, file: Path) -> None:
    opened = Visit(browser, file)
    opened.page.emulate_media(media="print")
    assert not opened.page.locator("#filters").is_visible()
    assert opened.page.locator("#table").is_visible()
    assert opened.page.pdf().startswith(b"%PDF")
    opened.context.close()


def test_without_javascript_the_map_and_the_rows_are_there(browser: Any, file: Path) -> None:
    opened = Visit(browser, file, java_script_enabled=False)
    assert opened.page.locator("#map noscript svg, #map svg").first.is_visible()
    assert opened.page.locator("#csv").count() == 1
    opened.context.close()
