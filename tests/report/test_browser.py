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
from support.shell import call

import sweep
from sweep.report.page.page import write_page
from sweep.report.scripts import script

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
ASKED = """
fixed: {epochs: 40, learning_rate: 0.05}
vary: {width: [2, 8], depth: [1, 3], dropout: [0.0, 0.1], optimizer: [sgd, adam], batch_size: [1, 4], seed: 8}
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

    def open_id(self) -> str:
        """The one configuration that is open."""
        return self.page.locator(".inner").get_attribute("data-id") or ""

    def focused(self) -> str:
        """What the element is called that has the focus."""
        return self.page.evaluate("document.activeElement.getAttribute('aria-label')") or ""

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
    assert visit.page.locator("#mine-detail > *").count() == 0  # nothing was asked for
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
    assert visit.page.locator("#status").inner_text() == "4 of 4 configurations that fit, of 24"
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


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *((text, {"width": {"2"}, "depth": {"2"}}) for text in ("width 2 depth 2", "width=2, depth = 2", "2 x 2")),
        ("width>2 activation relu", {"width": {"3", "8"}, "activation": {"relu"}}),
        ("wid 8 act=tanh parameters<=33", {"width": {"8"}, "depth": {"1"}, "activation": {"tanh"}}),
        ("rate>=0% verdict!=reliable 8", {"width": {"8"}}),
    ],
)
def test_the_search_reads_names_with_their_values(visit: Visit, text: str, wanted: dict[str, set[str]]) -> None:
    visit.page.locator("#filters input").fill(text)
    assert {name: set(visit.column(name)) for name in wanted} == wanted
    assert "reliable" not in visit.column("verdict") or "verdict" not in text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("width=5", "Nothing fits: no width 5; width is 2, 3, 8."),
        ("widht=2", "Nothing fits: no setting widht; settings: width, depth, activation, optimizer, verdict, "),
        ("activation>relu", "Nothing fits: activation: relu is no number."),
        ("width>2 parameters<9", "Nothing fits: no parameters < 9."),
        ("width 2 parameters>40", "Nothing fits: each part holds somewhere, all together nowhere."),
    ],
)
def test_the_search_says_why_nothing_fits(visit: Visit, text: str, why: str) -> None:
    visit.page.locator("#filters input").fill(text)
    assert visit.page.locator("#status").inner_text().startswith(why)
    assert (visit.ids(), visit.page.locator("button.cell").count()) == ([], 0)
    visit.page.get_by_role("button", name="Show all").click()
    assert len(visit.ids()) == 24


def test_a_pooled_cell_shows_the_share_of_each_verdict(visit: Visit, file: Path) -> None:
    table = sweep.load(file.parent).configurations
    visit.page.locator("#map-controls select").nth(3).select_option(label="pooled: mean rates")
    assert visit.page.locator("button.cell").count() == 12
    assert "no mark" not in visit.page.locator("#map-marks").inner_text()
    side = visit.page.locator("#map-controls select").nth(2).input_value()
    wanted = [sorted(own) for _, own in table.groupby(["width", "depth", side])["verdict"]]
    seen: list[list[str]] = []
    for cell in visit.page.locator("button.cell").all():
        assert (cell.get_attribute("aria-label") or "").startswith("2 configurations, mean success rate ")
        parts = [(p.get_attribute("class"), p.get_attribute("style")) for p in cell.locator("i.shares > i").all()]
        n_of = {str(name).removeprefix("v-"): int(str(style).removeprefix("flex:")) for name, style in parts}
        seen.append(sorted(name for name, n in n_of.items() for _ in range(n)))
    assert sorted(seen) == sorted(wanted)
    assert any(len(set(own)) > 1 for own in seen)  # one of mixed verdicts is among them


def test_a_pooled_cell_lists_its_configurations(visit: Visit) -> None:
    visit.page.locator("#map-controls select").nth(3).select_option(label="pooled: mean rates")
    cell = visit.page.locator("button.cell").first
    cell.click()
    listed = visit.page.locator("#map-side .help tr")
    assert listed.count() == 2
    listed.nth(1).get_by_role("button").click()
    assert visit.page.url.endswith(f"#{visit.open_id()}")
    visit.page.go_back()
    assert listed.count() == 2
    visit.page.keyboard.press("Escape")
    assert listed.count() == 0 and visit.focused() == cell.get_attribute("aria-label")


def test_a_cell_tells_its_interval_and_opens_beside_the_map(visit: Visit) -> None:
    cell = visit.page.locator("button.cell").nth(5)
    cell.scroll_into_view_if_needed()
    cell.hover()
    tip = visit.page.locator("#tip")
    assert re.search(r"\d of 8 learned.*interval 0\.\d{3}–[01]\.\d{3} \(wilson\)", tip.inner_text(), re.DOTALL)
    before = (visit.page.evaluate("scrollY"), cell.bounding_box())
    cell.click()
    assert (visit.page.evaluate("scrollY"), cell.bounding_box()) == before  # nothing moves under the reader's hands
    detail = visit.page.locator("#map-side .inner")
    box = detail.locator(".rate-line").bounding_box()
    assert box is not None and 0 < box["y"] < 900 and box["x"] > cell.bounding_box()["x"]
    assert cell.get_attribute("aria-label").split(",")[0] in detail.locator(".id-line").inner_text()
    assert len(visit.ids()) == 24  # the table is as it was


@pytest.mark.parametrize("way", ["Escape", "back", "close"])
def test_it_goes_back_to_where_the_reader_was(visit: Visit, way: str) -> None:
    cell = visit.page.locator("button.cell").nth(5)
    label = cell.get_attribute("aria-label")
    cell.focus()
    visit.page.keyboard.press("Enter")
    assert visit.page.url.endswith(f"#{visit.open_id()}")
    assert visit.page.evaluate("document.activeElement.tagName") == "H3"
    if way == "Escape":
        visit.page.keyboard.press("Escape")
    elif way == "back":
        visit.page.go_back()
    else:
        visit.page.locator("#map-side .close").click()
    assert visit.page.locator(".inner").count() == 0
    assert visit.focused() == label
    assert "#" not in visit.page.url and visit.page.locator("h1").count() == 1


def test_on_a_narrow_screen_it_opens_below_the_row_of_its_cell(browser: Any, file: Path) -> None:
    opened = Visit(browser, file, viewport={"width": 390, "height": 800})
    cell = opened.page.locator("button.cell").nth(1)
    cell.click()
    sheet = opened.page.locator("#map-view tr.detail .inner")
    box = "e => [e.getBoundingClientRect(), document.querySelector('#map-view .inner').getBoundingClientRect()]"
    row, below = cell.evaluate(box)
    assert 0 <= below["top"] - row["bottom"] < 12 and below["width"] <= 390
    identity = opened.open_id()
    opened.page.set_viewport_size({"width": 1300, "height": 800})
    assert opened.page.locator("#map-side .inner").get_attribute("data-id") == identity  # turned, it stays open
    opened.page.set_viewport_size({"width": 390, "height": 800})
    assert sheet.get_attribute("data-id") == identity and opened.page.url.endswith(f"#{identity}")
    opened.page.keyboard.press("Escape")
    assert sheet.count() == 0 and opened.page.evaluate("document.activeElement.matches('button.cell')")
    assert opened.focused() == cell.get_attribute("aria-label")
    opened.context.close()


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
    assert visit.page.locator("#map-side .inner").count() == 1


def test_a_row_opens_by_key_and_shows_the_configuration(visit: Visit, file: Path) -> None:
    results = sweep.load(file.parent)
    visit.page.locator("#table .id").first.focus()
    visit.page.keyboard.press("Enter")
    detail = visit.page.locator(".detail")
    identity = visit.open_id()
    runs = results.runs[results.runs["configuration"] == identity]
    assert detail.locator(".seeds button").count() == len(runs) == 8
    titles = [s.get_attribute("aria-label") for s in detail.locator(".seeds button").all()]
    assert titles == [f"seed {s}: {o}" for s, o in zip(runs["seed"], runs["outcome"], strict=True)]
    assert detail.locator("canvas").count() == runs["outcome"].nunique()
    commands = detail.locator(".commands code").all_inner_texts()
    assert commands[1] == f"sweep rescue 'my results' {identity}"
    assert str(file.parent.parent) not in visit.page.locator("body").inner_text()  # no absolute path stands on it
    code = detail.locator("pre.code").text_content()
    configuration = results.configuration(identity)
    assert code == "\n".join(script(configuration, configuration)[1])
    visit.page.locator("#table .id").first.press("Enter")
    assert visit.page.locator(".detail").count() == 0


def test_the_seeds_are_reached_by_key(visit: Visit) -> None:
    visit.page.locator("#table .id").first.click()
    squares = visit.page.locator(".seeds button")
    assert visit.page.locator(".seeds button[tabindex='0']").count() == 1  # one stop of the Tab key
    squares.first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowRight"):
        visit.page.keyboard.press(key)
    assert visit.focused() == squares.nth(2).get_attribute("aria-label")
    assert visit.page.locator(".seed-line").inner_text().startswith(f"S{visit.focused()[1:]}, ")
    visit.page.keyboard.press("Enter")
    command = visit.page.locator(".commands code").first.inner_text()
    assert command == f"sweep replay 'my results' {visit.open_id()}-2"


def test_what_would_help_are_the_neighbours_of_the_table(visit: Visit, file: Path) -> None:
    table = sweep.load(file.parent).configurations.set_index("configuration")
    visit.page.locator("#table .id").last.click()
    identity = visit.open_id()
    own, columns = table.loc[identity], ["width", "depth", "activation", "optimizer"]
    near = table[(table[columns] != own[columns]).sum(axis=1) == 1]
    assert len(near) == 5
    lead = visit.page.locator(".detail .blocks").inner_text()
    n_reliable = int((near["verdict"] == "reliable").sum())
    assert (
        f"5 networks of this sweep differ from it in one setting; {n_reliable} {'is' if n_reliable == 1 else 'are'}"
        in lead
    )
    shown = [b.get_attribute("data-to") for b in visit.page.locator(".detail .help button").all()]
    assert set(shown[:5]) == set(near.index)
    lows = [near["ci_low"][i] for i in shown[:5]]
    assert own["verdict"] == "reliable" or lows == sorted(lows, reverse=True)
    first = near.loc[shown[0]]
    assert (
        f"({first['ci_low']:.3f}–{first['ci_high']:.3f})" in visit.page.locator(".detail .help tr").first.inner_text()
    )
    visit.page.locator(".detail .help button").first.click()
    assert visit.open_id() == shown[0]


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


def test_an_address_opens_its_configuration_at_the_top(visit: Visit, file: Path) -> None:
    link = visit.page.locator("#pareto tbody a").first
    identity = link.get_attribute("href").removeprefix("#")
    link.click()
    assert visit.page.locator("#mine-detail .inner").get_attribute("data-id") == identity
    visit.page.goto(f"{file.as_uri()}#{identity}")
    visit.page.reload()
    assert visit.page.locator("#mine-detail .inner").get_attribute("data-id") == identity
    visit.page.locator("nav a", has_text="Map").click()
    assert visit.open_id() == identity  # a link to a section closes nothing
    visit.requests.clear()
    visit.requests.append(file.as_uri())


def test_mine_is_found_by_its_words_and_by_its_values(visit: Visit) -> None:
    search = visit.page.locator("#mine-search")
    search.fill("2 x 2 tanh")
    assert visit.page.locator("#mine-status").inner_text() == "2 fit; say more until it is one: optimizer."
    assert visit.page.locator("#mine-detail .inner").count() == 0
    search.press_sequentially(" adam")
    assert visit.page.locator("#mine-detail h3").inner_text().startswith("Two hidden layers of 2 tanh units each, Adam")
    identity = visit.open_id()
    assert search.evaluate("e => e === document.activeElement")
    chosen = visit.page.locator("#mine-controls select")
    assert [s.evaluate("e => e.selectedOptions[0].text") for s in chosen.all()] == ["2", "2", "tanh", "adam"]
    chosen.nth(1).select_option(label="1")
    assert visit.page.locator("#mine-detail h3").inner_text().startswith("One hidden layer of 2 tanh units, Adam")
    assert visit.open_id() != identity and search.input_value() == ""
    search.fill("width 7")
    assert visit.page.locator("#mine-status").inner_text() == "Nothing fits: no width 7; width is 2, 3, 8."
    assert visit.page.locator("#mine-detail .inner").count() == 0


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a sweep in which the network of a reader's question is one of 32."""
    return write_page(sweep.load(swept(tmp_path_factory.mktemp("asked"), ASKED)))


@pytest.mark.parametrize("way", ["mouse", "keys"])
def test_a_reader_finds_the_own_network_in_three_actions(browser: Any, asked: Path, way: str) -> None:
    """How reliable 2 x 3 adam, batch 4, dropout 0 is, why it fails, and what would help."""
    results = sweep.load(asked.parent)
    row = results.configurations.query(
        "width == 2 and depth == 3 and optimizer == 'adam' and batch_size == 4 and dropout == 0"
    ).iloc[0]
    opened = Visit(browser, asked, viewport={"width": 1400, "height": 900})
    page = opened.page
    if way == "mouse":
        label = "width 2, depth 3, dropout 0, optimizer adam, batch size 4"
        page.locator(f"button.cell[aria-label^='{label}']").click()
        page.mouse.wheel(0, 300)
    else:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # the first link leads to the search
        page.keyboard.type("2 x 3 adam batch 4 dropout 0")
    assert opened.open_id() == row["configuration"]
    wanted = f"{row['n_learned']} of 8 seeds learned, interval {row['ci_low']:.3f}–{row['ci_high']:.3f}"
    assert wanted in page.locator(".rate-line").inner_text()
    reasons = page.locator(".reasons").inner_text()
    assert all(f"{row[f'n_{o}']} {o}: " in reasons for o in ("dead", "stuck", "unconverged") if row[f"n_{o}"])
    best = page.locator(".help button").first.inner_text()
    assert re.fullmatch(r"(width|depth|dropout|optimizer|batch size) \S+ → \S+", best)
    for part in (".rate-line", ".reasons", ".help button"):
        box = page.locator(part).first.bounding_box()
        assert 0 <= box["y"] < 900, f"{part} is not in sight"
    opened.context.close()


def test_a_page_of_one_configuration_is_its_page(browser: Any, tmp_path: Path) -> None:
    file = write_page(sweep.load(swept(tmp_path, "fixed: {width: 2, epochs: 40, seed: 8}")))
    opened = Visit(browser, file, viewport={"width": 1200, "height": 900})
    text = opened.page.locator("body").inner_text()
    assert opened.page.locator("h1").inner_text() == "How reliably does this network learn xor?"
    assert "One hidden layer of 2 ReLU units, Adam, batch size 4, 40 epochs" in text
    assert opened.page.locator("#mine-detail .seeds button").count() == 8
    assert opened.page.locator("#mine-detail .commands code").last.inner_text().startswith("sweep rescue out c")
    assert re.search(r"\d of 8 seeds learn xor: \d+%, interval", opened.page.locator("#answer").inner_text())
    assert opened.page.locator("#map, #table, #pareto, #matters").count() == 0 and "of 1 configuration" not in text
    opened.page.keyboard.press("Escape")
    assert opened.page.locator("#mine-detail .inner").count() == 1
    assert opened.messages == []
    opened.context.close()


def test_a_page_of_other_runs_has_the_same_parts(browser: Any, tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    rows = [f"{lr},{name},{seed},{(seed * 7 + lr) % 10 / 10}" for lr in (1, 2) for name in "ab" for seed in range(12)]
    table.write_text("\n".join(["lr,kind,seed,score", *rows]))
    out = tmp_path / "judged"
    options = ("--configuration", "lr,kind", "--seed", "seed", "--success", "score >= 0.5", "--out", str(out))
    assert call("judge", table, *options).exit_code == 0
    opened = Visit(browser, out / "report.html", viewport={"width": 1200, "height": 900})
    opened.page.locator("#mine-search").fill("lr=2 kind=b")
    assert opened.page.locator("#mine-detail h3").inner_text() == "lr 2, kind b"
    assert opened.page.locator("#mine-detail .seeds button").count() == 12
    assert "2 configurations of this sweep differ from it in one setting" in opened.page.locator(".blocks").inner_text()
    assert opened.page.locator(".code, canvas").count() == 0
    opened.page.locator("#table .id").first.click()
    assert opened.page.locator(".detail .inner").count() == 1 and opened.messages == []
    opened.context.close()


def test_a_table_of_real_inputs_shows_its_accuracy_and_its_hardest_rows(browser: Any, tmp_path: Path) -> None:
    x = [[round(0.5 * i, 2), round((i * 7 % 11) / 5, 2), 1.5] for i in range(12)]  # of more rows all runs are counted
    y = [[int(i % 5 == 0)] for i in range(12)]
    text = f"fixed: {{task: {{inputs: {x}, targets: {y}}}, epochs: 20}}\nvary: {{width: [2, 4], seed: 4}}"
    opened = Visit(browser, write_page(sweep.load(swept(tmp_path, text))), viewport={"width": 1200, "height": 900})
    rows = opened.page.locator("#wrong tbody tr")
    assert 1 <= rows.count() <= 10
    first = [cell.inner_text() for cell in rows.first.locator("td").all()]
    place = int(first[0])
    assert (first[1], first[2]) == (", ".join(f"{v:g}" for v in x[place]), str(y[place][0])) and int(first[3]) >= 1
    opened.page.locator("#table .id").first.click()
    assert "Accuracy over the seeds" in opened.page.locator(".detail").inner_text()
    assert opened.messages == []
    opened.context.close()


def test_hostile_names_stay_text(visit: Visit) -> None:
    assert HOSTILE in visit.column("optimizer")
    assert visit.page.locator("img").count() == 0
    assert "onerror" in visit.page.locator("#experiment").inner_text()
    visit.page.locator("#table .id").last.click()
    visit.page.locator("button.cell").last.hover()
    assert visit.page.locator("img").count() == 0


@pytest.mark.parametrize(
    ("width", "scheme", "open_"),
    [
        *((360, "light", "#table .id"), (1280, "dark", "button.cell")),
        *(
            pytest.param(w, s, o, marks=pytest.mark.slow)
            for w, s, o in [(360, "dark", "button.cell"), (800, "light", "#table .id"), (1400, "light", "#pareto a")]
        ),
    ],
)
def test_no_serious_fault_of_accessibility(browser: Any, file: Path, width: int, scheme: str, open_: str) -> None:
    from axe_core_python.sync_playwright import Axe

    opened = Visit(browser, file, viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
    opened.page.locator(open_).first.click()
    opened.page.locator("summary", has_text="The code").click()
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
