"""The pictures of the README, from the page of a real sweep: `make gallery`.

Usage: python docs/gallery.py RESULTS. Opens the folder's report.html in Debian's Chromium (`make browser` installs it)
and writes PNGs into docs/images.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

import sweep
from sweep.report.page.page import write_page
from sweep.report.summaries import summarise

images = Path(__file__).parent / "images"


def picture(page: Page, selector: str, name: str) -> None:
    """Write what an element shows."""
    path = images / f"{name}.png"
    page.locator(selector).first.screenshot(path=path)
    print(f"wrote {path}, {path.stat().st_size:,} bytes")


def main(folder: Path) -> None:
    """Draw the map, the final losses, one configuration and the small networks that learn."""
    results = sweep.load(folder)
    answer = summarise(results)
    page_file = write_page(results)
    images.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 900}, color_scheme="light")
        page.goto(page_file.absolute().as_uri())
        page.add_style_tag(content="nav.sections { position: static !important; }")  # it would lie over what is drawn
        picture(page, "#map-app", "map")
        page.set_viewport_size({"width": 700, "height": 900})
        picture(page, "#final-losses", "final_losses")
        picture(page, "#pareto figure", "small_networks")
        page.set_viewport_size({"width": 1100, "height": 900})
        page.evaluate(f"location.hash = '{answer.puzzling}'")
        page.locator("#mine-detail .inner").wait_for()
        page.evaluate("for (const e of document.querySelectorAll('.inner details, .inner .close')) e.remove()")
        page.evaluate("document.querySelector('.inner .commands').parentElement.remove()")
        picture(page, "#mine-detail .inner", "configuration")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
