"""The site of a project's reports: opened as files without a network, read in light and dark, its tables used."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from command_line import run_mlf
from lab_server import chromium_path, launch_chromium
from playwright.sync_api import Browser, Page, expect, sync_playwright
from toy_projects import HOSTILE, Finished, Toys, copy_of

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
AXE = ROOT / "mlf_widgets" / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
#: How long a page may take on a busy machine; nothing here is a measurement.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)
PAGES = ("index", "progress", "analyze", "settle", "evaluate", "explorer", "datacard", "provenance")


@pytest.fixture(scope="module")
def site(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Toys:
    toys = copy_of(finished.toys, tmp_path_factory.mktemp("site") / "project")
    run_mlf("report", toys.project.root)
    return toys


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not chromium_path().exists():
        pytest.skip(f"no Chromium at {chromium_path()}; install it, or set MLF_CHROMIUM to where it is")
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        yield browser
        browser.close()


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    """Return a page of a browser without a network; whatever goes wrong on it fails the test."""
    context = chromium.new_context(offline=True, color_scheme=request.param, accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    wrong: list[str] = []
    opened.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    # What a page was still loading when it was left is ended by the browser: that is nothing wrong with it.
    opened.on("requestfailed", lambda one: wrong.append(one.url) if one.failure != "net::ERR_ABORTED" else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    yield opened
    context.close()
    assert wrong == []


def address(site: Toys, name: str) -> str:
    return (site.project.reports_dir / f"{name}.html").as_uri()


def complaints(page: Page) -> list[str]:
    if not AXE.is_file():
        pytest.skip(f"no axe-core at {AXE}; run `npm ci` in {AXE.parents[2]}")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]


def test_every_page_opens_from_a_file_links_the_others_and_axe_is_content(page: Page, site: Toys) -> None:
    for name in PAGES:
        page.goto(address(site, name))
        assert complaints(page) == [], name
        links = page.locator("nav.mlf-site a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
        assert {f"{other}.html" for other in PAGES} <= set(links)
        assert all((site.project.reports_dir / link).is_file() for link in links)
        for href in page.locator("main a[href]:not(.anchor-link)").evaluate_all(
            "all => all.map(a => a.getAttribute('href'))"
        ):
            assert (site.project.reports_dir / href.partition("#")[0]).is_file(), href


#: Sorts by each column of a table in turn, up and down; returns its cells in either order.
SORT = """table => [...table.querySelectorAll('thead tr:last-child th')].map((head, column) => {
  const cells = () => [...table.querySelectorAll('tbody tr')].map((row) => row.children[column].textContent.trim());
  const sorted = () => { head.querySelector('button').click(); return [head.getAttribute('aria-sort'), cells()]; };
  return [sorted(), sorted()];
})"""


def is_in_order(cells: list[str]) -> bool:
    """Tell whether cells ascend: numbers by what they begin with, plain words by letter; undefined ones come last."""
    known = [cell for cell in cells if cell not in ("", "undefined")]
    if known != cells[: len(known)]:
        return False
    if all(re.fullmatch(r"[\d,]+(\.\d+)?%?", cell) for cell in known):
        numbers = [float(cell.rstrip("%").replace(",", "")) for cell in known]
        return numbers == sorted(numbers)
    if all(re.fullmatch(r"[a-z]+", cell) for cell in known):
        return known == sorted(known)
    return True


def test_every_table_sorts_by_every_column_filters_and_downloads(page: Page, site: Toys) -> None:
    n_tables = 0
    for name in PAGES:
        page.goto(address(site, name))
        page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
        for table in page.locator("main table").all():
            n_tables += 1
            for (first, down), (second, up) in table.evaluate(SORT):
                assert (first, second) == ("descending", "ascending")
                assert sorted(down) == sorted(up)
                assert is_in_order(up), f"{name}: {up}"
                n_undefined = sum(cell in ("", "undefined") for cell in down)
                assert is_in_order(down[: len(down) - n_undefined][::-1]), f"{name}: {down}"
            n_rows = table.locator("tbody tr").count()
            tools = table.locator("xpath=..").locator("xpath=preceding-sibling::*[1]")
            with page.expect_download() as started:
                tools.get_by_role("button", name="Download CSV").click()
            rows = list(csv.reader(StringIO(Path(started.value.path()).read_text(encoding="utf-8-sig"))))
            assert len(rows) == n_rows + 1
            tools.get_by_role("searchbox").fill("no row says this")
            expect(table.locator("tbody tr:visible")).to_have_count(0)
    assert n_tables > 15


def test_after_an_upgrade_all_pages_look_alike(site: Toys) -> None:
    folder = site.project.reports_dir
    before = (folder / "settle.html").read_text(encoding="utf-8")
    styles = re.compile(r"<style>.*?</style>", re.DOTALL)
    (folder / "settle.html").write_text(styles.sub("<style>body{color:red}</style>", before, count=1), encoding="utf-8")
    older = (
        "<html><head><title>Old: toys</title><style>p{}</style></head><body class=x><script>1</script><p>It</p></body>"
    )
    (folder / "older.html").write_text(older, encoding="utf-8")
    run_mlf("report", site.project.root)
    pages = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.html")}
    assert len({tuple(styles.findall(text.partition("<main>")[0])) for text in pages.values()}) == 1
    assert len({text.partition('<script type="module">')[2] for text in pages.values()}) == 1
    assert pages["settle.html"].partition("<main>")[2] == before.partition("<main>")[2]
    assert "<main><p>It</p></main>" in pages["older.html"]
    assert 'href="older.html"' in pages["index.html"]
    (folder / "older.html").unlink()
    run_mlf("report", site.project.root)


def test_the_questions_of_a_reader_are_answered(page: Page, site: Toys) -> None:
    project = site.project
    refined = json.loads(project.refined_labels_path.with_suffix(".json").read_text())
    n_multi = sum(len(labels) > 1 for labels in refined.values())
    keys = list(project.label_space.keys)
    given = dict(zip(site.image_ids, site.original, strict=True))
    n_changed = sum(labels not in ([keys[given[name]]], [str(given[name])]) for name, labels in refined.items())
    page.goto(address(site, "index"))
    first = page.locator(".mlf-headline").inner_text()
    assert f"{n_multi} of 48 images have more than one label" in first
    assert f"{n_changed} of 48 images differ from their original label" in first
    assert "Simulated: ada, ben, dora" in page.locator("main").inner_text()
    assert page.locator("main figure img").count() == 3
    page.get_by_role("link", name="see them").click()
    expect(page.locator("[data-mlf=site] [role=status]")).to_have_text(f"{n_changed} images")
    page.get_by_role("link", name="Overview").click()
    page.get_by_role("link", name="Look at the worst image").click()
    dialog = page.get_by_role("dialog")
    for fact in ("Original", "ada (simulated), annotation", "Refined", "Disagreement"):
        expect(dialog.get_by_text(fact, exact=True)).to_have_count(1) if "ada" not in fact else None
    distance = float(re.search(r"(\d\.\d\d) \(Jaccard", dialog.inner_text())[1])
    assert distance == max(worst_distances(site)) > 0
    assert complaints(page) == []


@pytest.mark.parametrize(
    ("link", "heading"),
    [
        ("what annotators are like", "What annotators are like"),
        ("which classes are a mess", "Disputed classes"),
        ("is one better than another?", "Is one model better than another?"),
    ],
)
def test_each_question_has_a_sentence_on_the_overview_and_one_click_leads_to_its_answer(
    page: Page, site: Toys, link: str, heading: str
) -> None:
    page.goto(address(site, "index"))
    page.locator(".mlf-headline").get_by_role("link", name=link).click()
    expect(page.get_by_role("heading", name=heading)).to_be_in_viewport()


def test_every_figure_has_its_words_its_table_and_a_link_to_exactly_the_images_behind_it(
    page: Page, site: Toys
) -> None:
    found = expected_images(site)
    for name in PAGES:
        page.goto(address(site, name))
        figures = page.locator("main figure:has(img:not([alt^='image ']))")
        assert name not in ("index", "analyze", "settle", "evaluate") or figures.count() > 0
        links = []
        for figure in figures.all():
            words = figure.get_by_role("img").get_attribute("alt")
            link = figure.locator("xpath=following-sibling::*[1]").locator("a")
            table = figure.locator("xpath=following-sibling::*[2]")
            if name == "index":  # pictures of other pages: the table is there
                target = address(site, "index").replace("index.html", table.locator("a").get_attribute("href"))
                assert "<table" in Path(target.removeprefix("file://").partition("#")[0]).read_text(encoding="utf-8")
            else:
                assert table.locator("table").count() == 1, f"{name}: {words}"
            links.append((words, link.inner_text(), link.get_attribute("href")))
        links += [
            ("gallery", link.inner_text(), link.get_attribute("href"))
            for link in page.locator("p.mlf-behind:not(figure + p) a").all()
        ]
        for words, said, href in links:
            page.goto("about:blank")  # from one part of a page to another, nothing is loaded that could be waited for
            page.goto(f"{site.project.reports_dir.as_uri()}/{href}")
            assert re.match(r"The (\d+ )?images? behind this", said), said
            n_said = (re.search(r"\d+", said) or ["1"])[0]
            status = page.locator("[data-mlf=site] [role=status]")
            expect(status, f"{name}: {words}: {href}").to_have_text(re.compile(rf"^{n_said} images$"))
            for beginning, images in found.items():
                if words.startswith(beginning):
                    shown = page.locator("[data-image-id]").evaluate_all("all => all.map(one => one.dataset.imageId)")
                    assert set(shown) == images, f"{words}: {href}"


def expected_images(site: Toys) -> dict[str, set[str]]:
    """Return the images behind figures, by how their descriptions begin, counted from the store and the label file."""
    from toy_projects import states_of

    from pipeline.votes.words import Round

    ids = site.image_ids
    decided = {
        image: [state for state in people.values() if state.votes or state.none or state.unsure]
        for image, people in states_of(site.project, Round.ANNOTATION).items()
    }
    refined = json.loads(site.project.refined_labels_path.with_suffix(".json").read_text())
    compared = {ids[image] for image, states in decided.items() if len(states) > 1}
    return {
        "Heat map of the agreement": compared,
        "Scatter plot of 2 annotators": compared,
        "Bars of the share of proposals": {ids[image] for image, states in decided.items() if states},
        "Bar chart of the number of images": set(refined),
        "Scatter plot of ReaL": set(refined),
    }


def worst_distances(site: Toys) -> list[float]:
    """Return the mean pairwise Jaccard distance of each image's annotators, from their states in the store."""
    from itertools import combinations

    from toy_projects import states_of

    from pipeline.votes.words import Round

    found = []
    for people in states_of(site.project, Round.ANNOTATION).values():
        sets = [set(state.label_set) for state in people.values()]
        pairs = [1 - len(a & b) / len(a | b) if a | b else 0.0 for a, b in combinations(sets, 2)]
        if pairs:
            found.append(round(sum(pairs) / len(pairs), 2))
    return found


def test_the_explorer_filters_by_class_and_shows_a_hostile_name_as_text(page: Page, site: Toys) -> None:
    page.goto(address(site, "explorer"))
    count = page.locator("[data-mlf=site] [role=status]")
    expect(count).to_have_text("48 images")
    page.get_by_role("button", name="Any class…").click()
    page.get_by_role("dialog").get_by_role("combobox").fill("script")
    expect(page.get_by_role("dialog").get_by_role("option").first).to_contain_text("script")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=HOSTILE[:8])).to_have_count(1)
    hostile = next(i for i, name in enumerate(site.project.label_space.names) if name == HOSTILE)
    shown = int(count.inner_text().split()[0])
    assert 0 < shown < 48
    assert shown >= sum(hostile == original for original in site.original)
    page.get_by_label("Number of labels").select_option("2+")
    assert int(count.inner_text().split()[0]) <= shown


def test_it_is_small_and_the_texts_of_the_data_card_are_kept(site: Toys) -> None:
    size = sum(path.stat().st_size for path in site.project.reports_dir.rglob("*") if path.is_file())
    assert size < 5_000_000
    card = site.project.root / "datacard.md"
    card.write_text("# Data card\n\n## Description\n\nDrawn <b>toys</b>.\n\n## Licence\n\nCC0\n", encoding="utf-8")
    run_mlf("report", site.project.root)
    page = (site.project.reports_dir / "datacard.html").read_text(encoding="utf-8")
    assert "Drawn &lt;b&gt;toys&lt;/b&gt;." in page
    assert card.read_text(encoding="utf-8").endswith("CC0\n")


@pytest.mark.filterwarnings("ignore::DeprecationWarning:rdflib.*")
def test_croissant_finds_its_description_valid_and_reads_the_labels_through_it(site: Toys) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    path = site.project.reports_dir / "croissant.json"
    read = mlcroissant.Dataset(jsonld=path)
    assert not read.metadata.ctx.issues.errors
    said = json.loads(path.read_text())
    assert "3 of these are simulated" in said["rai:annotatorDemographics"][0]
    rows = list(read.records("labels"))
    with site.project.refined_labels_path.with_suffix(".csv").open(encoding="utf-8-sig") as file:
        assert len(rows) == sum(1 for _ in csv.DictReader(file))
