"""The report in Chromium: first screen, interactive figure, widths, dark mode, print, texts for a screen reader."""

import re
import shutil

import pandas as pd
import pytest

from reports.build import build
from tests.reports import claims_world

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed (make browser, as root)")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Folder of a report with two figures of SA against RA, one of several widths."""
    runs = tmp_path_factory.mktemp("browser")
    claims_world.suites(runs, ["frontiers", "slimming"], seeds=2)
    build(["fig4", "fig6"], runs, runs / "report", formats=("png",))
    return runs / "report"


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def tab(browser):
    """A page for all tests, and lists of the errors in its console and of its requests."""
    page, errors, requests = browser.new_page(), [], []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    yield page, errors, requests
    page.close()


@pytest.fixture
def page(tab, report):
    """The page at 1400 × 900, loaded anew. Fails on an error in the console, and on a request to a network."""
    page, errors, requests = tab
    errors.clear()
    requests.clear()
    page.goto("about:blank")
    page.mouse.move(0, 0)
    page.set_viewport_size({"width": 1400, "height": 900})
    page.emulate_media(media="null", color_scheme="null")
    page.goto((report / "index.html").as_uri())
    yield page
    assert not errors
    addresses = [address for address in requests if address != "about:blank"]
    assert addresses and all(address.startswith("file:") for address in addresses)


def means(report, figure: str, label: str, width: float = 1.0) -> pd.DataFrame:
    table = pd.read_csv(report / f"{figure}.csv")
    return table[(table.method == label) & (table.width == width)].groupby("lambda")[["sa", "ra"]].mean()


def told(text: str) -> tuple[float, float]:
    """SA and RA in a text of the interactive figure."""
    return tuple(float(re.search(rf"{metric} (\d+\.\d) %", text)[1]) for metric in ("SA", "RA"))


def test_the_first_screen_has_the_result_the_verdicts_and_the_figure(page):
    heading = page.locator("h1").inner_text()
    assert heading.startswith(
        "Figure 4: λ moves SA and RA over a wide range; OAT's curve is close to or above that of the"
    )
    for selector in ("h1", ".strip", "section.first .charts svg", "section.first .controls"):
        box = page.locator(selector).first.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 900, selector
    assert page.locator(".strip a.reproduced").count() >= 5
    assert page.locator("section").nth(1).get_attribute("id") == "claims"


def test_the_slider_moves_over_the_measured_points(page, report):
    dial, expected = page.locator("#fig4 .dial"), means(report, "fig4", "OAT (dual BN)")
    slider = dial.locator("input").first
    slider.focus()
    page.keyboard.press("Home")
    for sa, ra in expected.itertuples(index=False):
        text = dial.locator(".readout").inner_text()
        assert told(text) == pytest.approx((sa, ra), abs=0.051) and "MACs per image" in text
        page.keyboard.press("ArrowRight")
    assert "the frontier" in text and slider.get_attribute("aria-valuetext") == "1"
    assert dial.locator("input").nth(1).is_hidden()  # one width


def test_any_network_can_be_chosen_and_its_width(page, report):
    dial = page.locator("#fig4 .dial")
    dial.locator("select").select_option(label="OATS (dual BN)")
    assert dial.locator(".chart").count() == 3 and dial.locator(".legend strong").inner_text() == "Figure 6:"
    dial.locator("input").first.focus()
    page.keyboard.press("End")
    dial.locator("input").nth(1).focus()
    for width in (1.0, 0.75, 0.5):
        expected = means(report, "fig6", "OATS (dual BN)", width).loc[1.0]
        assert told(dial.locator(".readout").inner_text()) == pytest.approx(tuple(expected), abs=0.051)
        assert f"width {width:g}" in dial.locator(".chart.active").inner_text()
        page.keyboard.press("ArrowLeft")


def test_hovering_tells_a_point_and_its_key(page, report):
    chart = page.locator("#fig4 .chart")
    ring, tip = chart.locator("circle.ring").bounding_box(), chart.locator(".tip")
    page.mouse.move(ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2)
    key = pd.read_csv(report / "fig4.csv").query("method == 'OAT (dual BN)' and seed == 0").key.iloc[0]
    for text in ("OAT (dual BN), λ = 0.3", "width 1", "2 seeds", key[:8]):
        assert text in tip.inner_text()
    expected = means(report, "fig4", "OAT (dual BN)").loc[0.3]
    assert told(tip.inner_text()) == pytest.approx(tuple(expected), abs=0.051)
    page.mouse.move(5, 5)
    assert tip.is_hidden()


def test_a_click_on_a_point_chooses_it(page):
    dial = page.locator("#fig4 .dial")
    select, slider = dial.locator("select"), dial.locator("input").first
    select.select_option(label="OAT (normal BN)")
    slider.fill("0")
    point = dial.locator("circle.ring").bounding_box()
    select.select_option(label="OAT (dual BN)")
    slider.fill("5")
    page.mouse.click(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    assert select.locator("option:checked").inner_text() == "OAT (normal BN)"
    assert slider.get_attribute("aria-valuetext") == "0"


def test_a_link_to_a_network_opens_its_fold(page):
    link = page.locator("#fig4 .readout a").first
    row = page.locator(f'[id="{link.get_attribute("href")[1:]}"]')
    assert row.is_hidden()
    link.click()
    row.wait_for(state="visible")


def test_a_claim_is_a_row_that_unfolds(page):
    row = page.locator("#claim-3")
    assert row.bounding_box()["height"] < 50 and row.locator("svg.interval").get_attribute("aria-label").count("asked")
    paper = row.get_by_text("The paper:")
    assert paper.is_hidden()
    row.locator("summary").focus()
    page.keyboard.press("Enter")
    assert paper.is_visible()


def test_texts_for_a_screen_reader_have_the_numbers(page):
    alternatives = page.locator("img").evaluate_all("nodes => nodes.map(node => node.alt)")
    charts = page.locator(".chart svg").evaluate_all("nodes => nodes.map(node => node.getAttribute('aria-label'))")
    assert alternatives and charts and all(len(re.findall(r"\d+\.\d", text)) > 5 for text in alternatives + charts)
    assert page.locator("main").count() == page.locator("h1").count() == 1
    assert page.locator("th").count() == page.locator("th[scope]").count() > 5
    assert page.locator("label:has(input), label:has(select)").count() == page.locator("input, select").count()


def test_nothing_is_wider_than_the_screen_and_text_has_contrast(page):
    for width in (1400, 390):
        page.set_viewport_size({"width": width, "height": 844})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            for selector in ("body", "p.soft", ".verdict.reproduced", ".verdict.not-run", ".strip a", "a"):
                assert page.locator(selector).first.evaluate(CONTRAST) >= 4.5, (width, scheme, selector)


CONTRAST = """node => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const linear = (c) => c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4;
  const luminance = (color) => parse(color).slice(0, 3).map(linear)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  let back = node;
  while (parse(getComputedStyle(back).backgroundColor)[3] === 0) back = back.parentElement;
  const colors = [getComputedStyle(node).color, getComputedStyle(back).backgroundColor];
  const [a, b] = colors.map(luminance).sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}"""  # of WCAG 2


def test_on_paper_the_image_stands_and_nothing_is_cut(page):
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 703, "height": 1000})  # A4 without margins
    page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 703
    assert (
        page.locator("#fig4 img").is_visible()
        and page.locator("#fig4 .dial").is_hidden()
        and page.locator("nav").is_hidden()
    )


def test_without_javascript_the_image_stands(browser, report):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto((report / "index.html").as_uri())
    assert page.locator("#fig4 img").is_visible() and page.locator("#fig4 .dial").is_hidden()
