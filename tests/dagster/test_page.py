"""The page as a person sees it, in headless Chromium.

With EMATIX_SCREENSHOTS set to a folder, what was looked at is kept there as pictures.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

ASSET = "warehouse/analytics/events"
SECONDS = 60
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # Without these the browser looks for its maker's servers at every start.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1500,1100",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("chromium and chromedriver are not installed here; .ci/run installs them")
    options = Options()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    running = webdriver.Chrome(options=options, service=Service(driver))
    yield running
    running.quit()


@pytest.fixture(scope="module")
def loaded(live: Any) -> Any:
    """A live server on which the asset was loaded twice."""
    for _ in range(2):
        assert live.end_of(live.launch(ASSET)) == "SUCCESS"
    return live


def text_of(browser: webdriver.Chrome) -> str:
    return browser.find_element(By.TAG_NAME, "body").text


def open_page(browser: webdriver.Chrome, url: str, *texts: str) -> None:
    """Open a page and wait until it shows all of `texts`."""
    browser.get(url)
    WebDriverWait(browser, SECONDS).until(
        lambda page: all(text in text_of(page) for text in texts), f"not all of {texts} on {url}"
    )


def keep(browser: webdriver.Chrome, name: str) -> None:
    if folder := os.environ.get("EMATIX_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(Path(folder) / f"{name}.png"))


def test_the_graph_shows_the_tables_and_where_their_rows_come_from(
    loaded: Any, browser: webdriver.Chrome
) -> None:
    open_page(browser, f"{loaded.url}/locations/shop.py/asset-groups/nightly", "events_copy", "Materialized")
    shown = text_of(browser).splitlines()
    keep(browser, "asset-graph")
    assert {"events", "events_copy", "events_archive"} <= set(shown)
    assert {"Postgres", "Delta Lake"} <= set(shown)


def test_an_asset_shows_how_many_rows_it_holds_and_its_columns(
    loaded: Any, browser: webdriver.Chrome
) -> None:
    open_page(browser, f"{loaded.url}/assets/{ASSET}?view=overview", "Row count", "received_at")
    shown = text_of(browser).splitlines()
    keep(browser, "asset")
    assert shown[shown.index("Row count") + 1] == "100"
    columns = shown[shown.index("event_id") :]
    assert columns[:4] == ["event_id", "bigint", "non-nullable", "unique"]
    assert columns[columns.index("received_at") + 1] == "timestamp with time zone"


def test_an_asset_plots_the_counts_of_its_loads(loaded: Any, browser: webdriver.Chrome) -> None:
    open_page(browser, f"{loaded.url}/assets/{ASSET}?view=overview", "Plots")
    browser.find_element(By.XPATH, "//*[text()='Plots']").click()
    canvas = WebDriverWait(browser, SECONDS).until(
        lambda page: page.find_elements(By.TAG_NAME, "canvas"), "no plot on the page"
    )
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas[0])
    keep(browser, "plots")
    shown = text_of(browser).splitlines()
    assert {"rows_read", "rows_inserted", "seconds"} <= set(shown)
    assert len(canvas) >= 8
