"""The unit explorer in a real browser, opened from the file system."""

import io
import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import explorers
import numpy as np
import polars as pl
import pytest
from browser import Watched
from explorers import DENSE, LAYERS, NETWORKS, OPENED, PRUNED, Small
from PIL import Image

from prunescope.foundation import tables
from prunescope.interpret import mis, unit_tables
from prunescope.summarize.explorer.columns import (
    DELTA_BITS,
    image_columns,
    rounded,
    score_columns,
    script,
)
from prunescope.summarize.explorer.network_data import TASK_COLUMNS

OTHER = explorers.name_of(PRUNED)
# A unit that is live in both networks, and one that is constant in the pruned one.
UNIT = "inception3a.branch1.conv/9"
CONSTANT = "conv1.conv/3"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    made = explorers.make_small(tmp_path_factory.mktemp("small"))
    explorers.build(made)
    return made


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    """A page; whatever it complains about fails the test."""
    opened = Watched(browser)
    yield opened
    opened.close()
    assert opened.problems == []


def show(watched: Watched, small: Small, **chosen: str) -> Any:
    """Open the page with an address; wait until it has drawn."""
    parts = "&".join(f"{key}={value}" for key, value in chosen.items())
    watched.page.goto(f"{small.page.resolve().as_uri()}{'#' if parts else ''}{parts}")
    drawn(watched.page)
    return watched.page


def drawn(page: Any, unit: str | None = None) -> None:
    page.wait_for_selector("#right-tasks h3")
    if unit:
        page.wait_for_function("name => document.getElementById('unit-title').textContent === name",
                               arg=unit.replace("/", " · "))  # fmt: skip


def compared(page: Any, rate: str) -> None:
    """Wait until the network at the right is that of a rate."""
    page.wait_for_selector(f"#right-title:has-text('rate {rate}')")


def rows(page: Any) -> list[str]:
    """The units in the part of the list that is drawn, as `layer/number`."""
    names = page.locator(".row").evaluate_all("rows => rows.map(row => row.title)")
    return [name.replace(" · ", "/") for name in names]


def descriptions(page: Any, selector: str) -> list[str]:
    return page.locator(f"{selector} [role=img].image").evaluate_all(
        "images => images.map(image => image.getAttribute('aria-label'))"
    )


def images(page: Any, selector: str) -> list[int]:
    titles = page.locator(f"{selector} .image").evaluate_all(
        "images => images.map(image => image.title)"
    )
    return [int(title.rpartition("probe image ")[2].rstrip(")")) for title in titles]


def number_of(unit: str) -> int:
    layer, _, channel = unit.rpartition("/")
    names = list(LAYERS)
    return sum(LAYERS[name][1] for name in names[: names.index(layer)]) + int(channel)


def names() -> list[str]:
    return [f"{layer}/{unit}" for layer, _, unit in explorers.units().iter_rows()]


def expected_order(small: Small, key: np.ndarray) -> list[str]:
    """Units by a key; constant ones last, in the order of the network."""
    live = ~small.exemplars[NETWORKS.index(PRUNED)]["constant"].to_numpy()
    ordered = sorted(np.flatnonzero(live), key=lambda unit: key[unit])
    return [names()[unit] for unit in [*ordered, *np.flatnonzero(~live)]]


def soft(small: Small, network: dict[str, Any]) -> np.ndarray:
    return small.scores[NETWORKS.index(network)]["mis_soft"].to_numpy()


def most_changed(small: Small, network: dict[str, Any]) -> str:
    """The unit whose score differs most from dense, among those that both networks have alive."""
    live = ~small.exemplars[NETWORKS.index(network)]["constant"].to_numpy()
    change = abs(soft(small, network) - soft(small, DENSE))
    return names()[np.where(live, change, -1).argmax()]


def test_it_opens_at_what_changed_most(watched: Watched, small: Small) -> None:
    page = show(watched, small)
    assert page.locator("h1").inner_text() == "Unit explorer clothes"
    assert page.locator("#problem").is_hidden()
    first, opened, dense = most_changed(small, OPENED), *map(explorers.name_of, (OPENED, DENSE))
    unit = first.replace("/", " · ")
    assert page.title() == f"{unit} – clothes – unit explorer"
    assert page.locator(".row").first.get_attribute("aria-selected") == "true"
    assert page.url.partition("#")[2] == f"unit={first}&network={opened}"
    change = abs(soft(small, OPENED) - soft(small, DENSE)).mean()
    control = abs(soft(small, NETWORKS[1]) - soft(small, DENSE)).mean()
    assert page.locator("#opened").inner_text() == (
        "Opened at structured, one shot, rate 0.80: of the 1 of 3 kinds of pruned network that can "
        "still classify, the one whose units differ most from dense, "
        f"by {change:.3f} of MIS (soft) on average "
        f"(dense retrained as often, without pruning: {control:.3f}). "
        f"{unit} is the first in the list: largest change."
    )
    assert page.locator("#copied").is_hidden()
    folder = small.page.parent.resolve().as_uri()
    assert all(url.startswith(folder) for url in watched.requests)
    parts = ("scores", "images", "tasks")
    assert sorted(watched.data(small.page.parent)) == sorted(
        ["study", *(f"{name}/{part}" for name in (opened, dense) for part in parts)]
    )


def test_the_copy_in_a_report_says_what_it_lacks(watched: Watched, small: Small) -> None:
    page = watched.page
    folder = Path(small.job.output.in_report)
    page.goto(f"{(folder / 'index.html').resolve().as_uri()}#unit={UNIT}&network={OTHER}")
    drawn(page, UNIT)
    assert "6 networks of 6, those of one run" in page.locator("#copied").inner_text()
    assert page.locator("#left-tasks .image").count() == 8
    assert page.locator("#right .image").count() == 18
    assert page.locator("#right-tasks .image").count() == 0
    assert page.locator("#right-tasks circle").count() == 5
    whole = f"{small.job.output.explorer}/index.html"
    assert f"in the whole explorer, {whole}, and not" in page.locator("#right-tasks").inner_text()
    assert f"{OTHER}/tasks" not in watched.data(folder)


def test_an_address_may_name_a_network_alone(watched: Watched, small: Small) -> None:
    """As the links of charts do. Then the unit is the one that changed most in it."""
    page = show(watched, small, network=OTHER)
    unit = most_changed(small, PRUNED)
    assert page.locator("#unit-title").inner_text() == unit.replace("/", " · ")
    told = page.locator("#opened")
    assert told.inner_text().startswith("Opened at what the address asks for: ")
    assert "in structured, not retrained, rate 0.80" in told.inner_text()
    page.get_by_role("link", name="Open what changed most").click()
    compared(page, "0.80")
    drawn(page, most_changed(small, OPENED))
    assert told.inner_text().startswith("Opened at structured, one shot, rate 0.80")
    page.go_back()
    drawn(page, unit)
    page.goto(f"{small.page.resolve().as_uri()}#network={explorers.name_of(NETWORKS[3])}")
    compared(page, "0.20")
    drawn(page, most_changed(small, NETWORKS[3]))


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (f"{OTHER[:-1]}7", f"This study has no network {OTHER[:-1]}7; instead is shown "
         "structured, not retrained, rate 0.80, another run of it."),
        (explorers.name_of(DENSE), "The dense network stands at the left of every other; beside it "
         "is shown structured, one shot, rate 0.80."),
    ],
)  # fmt: skip
def test_a_network_that_is_not_there_is_told(
    watched: Watched, small: Small, network: str, told: str
) -> None:
    """Of the same kind, another run is shown."""
    page = show(watched, small, network=network)
    assert page.locator("#opened").inner_text().startswith(told)


def test_units_are_listed_by_whether_they_live(watched: Watched, small: Small) -> None:
    page = show(watched, small, network=OTHER, sort="place")
    page.get_by_label("Show", exact=True).select_option("constant")
    drawn(page, names()[explorers.CONSTANT[0]])
    assert rows(page) == [names()[unit] for unit in explorers.CONSTANT]
    page.get_by_label("Show", exact=True).select_option("live")
    drawn(page, names()[0])
    number = len(names()) - len(explorers.CONSTANT)
    assert page.locator(".row").first.get_attribute("aria-setsize") == str(number)
    page.goto(f"{small.page.resolve().as_uri()}#network={explorers.name_of(OPENED)}&shown=constant")
    page.wait_for_selector("#count:has-text('0 units')")
    assert rows(page) == []


def test_it_shows_the_exemplars_of_both_networks(watched: Watched, small: Small) -> None:
    page = show(watched, small, unit=UNIT, network=OTHER)
    for side, network in (("#left", DENSE), ("#right", PRUNED)):
        row = small.exemplars[NETWORKS.index(network)].row(number_of(UNIT), named=True)
        assert images(page, side) == row["strongest"][:9] + row["weakest"][:9]
        told = descriptions(page, side)
        for image, text in zip(row["strongest"][:9], told, strict=False):
            assert text.startswith(f"{explorers.CLASSES[image % 4]}, activation ")
        activation = float(told[0].rpartition(" ")[2].replace("−", "-"))
        assert activation == pytest.approx(row["strongest_activation"][0], rel=0.01)
    both = {tuple(images(page, f"{side} .side:first-child")) for side in ("#left", "#right")}
    shared = len(set.intersection(*map(set, both)))
    assert f"{shared} of 9 also in dense." in page.locator("#right").inner_text()


def test_every_picture_is_that_of_its_image(watched: Watched, small: Small) -> None:
    """Image i is of one colour that says i: what is on the screen is compared with it."""
    page = show(watched, small, unit=UNIT, network=OTHER)
    page.wait_for_load_state("networkidle")
    for image in page.locator("#left .image").all():
        index = int(image.get_attribute("title").rpartition("probe image ")[2].rstrip(")"))
        picture = Image.open(io.BytesIO(image.screenshot()))
        shown = picture.convert("RGB").getpixel((picture.width // 2, picture.height // 2))
        assert shown == (5 * index, 250 - 5 * index, 60)


@pytest.mark.parametrize(("task", "rank"), [("0", 0), ("1", 2), ("2", 4)])
def test_tasks_are_those_that_the_metric_saw(
    watched: Watched, small: Small, task: str, rank: int
) -> None:
    page = show(watched, small, unit=UNIT, network=OTHER, task=task)
    for side, network in (("#left-tasks", DENSE), ("#right-tasks", PRUNED)):
        exemplars = small.exemplars[NETWORKS.index(network)]
        sides = [tables.matrix(exemplars[name]) for name in ("strongest", "weakest")]
        positive, negative = mis.draw_tasks(*sides, mis.ScoreSettings(**explorers.MIS))
        deltas = mis.task_deltas(positive, negative, small.similarity)[number_of(UNIT)]
        chosen = np.argsort(deltas, kind="stable")[rank]
        strong, weak = (side[number_of(UNIT), chosen].tolist() for side in (positive, negative))
        assert images(page, side) == [*strong[1:], strong[0], weak[0], *weak[1:]]
        text = page.locator(side).inner_text()
        told = re.search(r"\(number (\d+)\): delta ([−.\d]+)\.", text)
        assert told is not None
        assert int(told[1]) == chosen + 1
        delta = float(told[2].replace("−", "-"))
        # Kept in a few bits (test_columns.py), then shown to the third digit.
        (kept,) = rounded(deltas[chosen : chosen + 1], DELTA_BITS)
        assert delta == pytest.approx(kept, abs=0.000501)
        assert ("Passed" in text) == (deltas[chosen] > 0)
        assert f"passes {(deltas > 0).sum()} of 5 tasks" in text
        assert page.locator(f"{side} circle").count() == 5


def test_a_constant_unit_says_so(watched: Watched, small: Small) -> None:
    page = show(watched, small, unit=CONSTANT, network=OTHER)
    assert "responds alike to every probe image" in page.locator("#right").inner_text()
    assert page.locator("#right .image, #right-tasks .image").count() == 0
    assert page.locator("#left .image").count() == 18
    assert "constant in structured, not retrained, rate 0.80" in (
        page.locator("#announcement").inner_text()
    )
    assert page.locator("#scores tr").first.locator("td").all_inner_texts()[1:] == ["–", "–"]


def test_what_goes_together_is_told(watched: Watched, small: Small) -> None:
    def told(unit: str) -> str:
        page = show(watched, small, unit=unit)
        drawn(page, unit)
        return page.locator("#unit-group").inner_text()

    assert told("conv1.conv/2") == (
        "Channel group 0, piece 2 of 4: made by conv1.conv 2; read by inception3a.branch1.conv 4; "
        "carried by conv1.bn.weight 2."
    )
    assert told("conv1.conv/4") == (
        "Channel group 0, piece 3 of 4: made by conv1.conv 3–4; read by fc 0–3."
    )
    assert told("inception3a.branch1.conv/7") == (
        "Channel group 1, piece 7 of 30: made by inception3a.branch1.conv 7. Left whole: sort."
    )
    assert told("fc/1") == ""
    assert watched.page.locator("#unit-group").is_hidden()


def test_layers_filter_the_list(watched: Watched, small: Small) -> None:
    page = show(watched, small, sort="place")
    page.get_by_label("Layer").select_option("inception3a.branch1.conv")
    drawn(page, "inception3a.branch1.conv/0")
    assert {name.rpartition("/")[0] for name in rows(page)} == {"inception3a.branch1.conv"}
    assert page.locator(".row").first.get_attribute("aria-setsize") == "30"
    assert page.locator("#count").inner_text().startswith("30 units")
    page.get_by_label("Layer").select_option("fc")
    drawn(page, "fc/0")
    assert rows(page) == [f"fc/{n}" for n in range(4)]
    assert page.locator("#unit-kind").inner_text() == "output for the class “boot”"


@pytest.mark.parametrize("sort", ["loss", "gain", "unchanged", "dense_high", "other_low"])
def test_scores_and_changes_sort_the_list(watched: Watched, small: Small, sort: str) -> None:
    dense, pruned = soft(small, DENSE), soft(small, PRUNED)
    keys = {
        "loss": pruned - dense, "gain": dense - pruned, "unchanged": abs(pruned - dense),
        "dense_high": -dense, "other_low": pruned,
    }  # fmt: skip
    expected = expected_order(small, keys[sort])
    page = show(watched, small, network=OTHER)
    page.get_by_label("Order").select_option(sort)
    drawn(page, expected[0])
    found = rows(page)
    assert len(found) >= 10
    if sort.startswith("dense"):  # what is constant in the other network has a score in dense
        expected = [names()[unit] for unit in np.argsort(keys[sort], kind="stable")]
    assert found == expected[: len(found)]
    page.locator("#list").press("End")
    drawn(page, expected[-1])


def test_another_score_sorts_too(watched: Watched, small: Small) -> None:
    page = show(watched, small, network=OTHER, sort="dense_high")
    page.get_by_label("Score", exact=True).select_option("label_purity")
    measures = unit_tables.MEASURES.read(small.job.input.measures[0])["label_purity"]
    drawn(page, names()[measures.arg_max()])
    text = page.locator(".row").first.inner_text()
    assert f"{measures.max():.3f}" in text


def test_another_network_loads_its_files_and_keeps_the_unit(watched: Watched, small: Small) -> None:
    page = show(watched, small, unit=UNIT)
    before = len(watched.data(small.page.parent))
    page.get_by_label("Compare dense with").select_option(OTHER)
    compared(page, "0.80")
    drawn(page, UNIT)
    asked = watched.data(small.page.parent)[before:]
    assert sorted(asked) == [f"{OTHER}/{part}" for part in ("images", "scores", "tasks")]
    page.get_by_label("Compare dense with").select_option(explorers.name_of(NETWORKS[3]))
    compared(page, "0.20")
    page.get_by_label("Compare dense with").select_option(OTHER)
    compared(page, "0.80")
    assert len(watched.data(small.page.parent)) == before + 6  # what was loaded is kept


@pytest.mark.parametrize("name", ["random projection 2", "ideal detector of coat"])
def test_a_trivial_unit_stands_beside_every_unit(watched: Watched, small: Small, name: str) -> None:
    """With its own score and its own images, whichever unit of the dense network is chosen."""
    page = show(watched, small, unit=UNIT)
    row = small.trivial.row(by_predicate=pl.col("unit") == name, named=True)
    page.get_by_label("Compare dense with").select_option(f"trivial/{name.replace(' ', '_')}")
    for unit in (UNIT, "fc/0"):
        page.goto(
            f"{page.url.partition('#')[0]}#unit={unit}&network=trivial/{name.replace(' ', '_')}"
        )
        page.wait_for_selector(f"#right-title:has-text('{name}')")
        drawn(page, unit)
        assert page.locator("#right-title").inner_text().lower() == name
        cells = page.locator("#scores tr").first.locator("td").all_inner_texts()
        assert cells[1] == f"{row['mis_soft']:.3f}"
        shown = (
            page.locator("#right .thumbs")
            .first.locator("[role=img]")
            .evaluate_all("images => images.map(image => image.title)")
        )
        assert [int(re.search(r"probe image (\d+)", text)[1]) for text in shown] == (
            row["strongest"][:9]
        )
    assert "trivial/images" in watched.data(small.page.parent)


def test_constant_trivial_units_are_not_offered(watched: Watched, small: Small) -> None:
    page = show(watched, small, unit=UNIT)
    offered = page.locator("#network option").evaluate_all("all => all.map(one => one.value)")
    names = small.trivial.filter(~pl.col("constant"))["unit"].to_list()
    assert [one for one in offered if one.startswith("trivial/")] == [
        f"trivial/{name.replace(' ', '_')}" for name in names
    ]
    assert "trivial/width_of_the_foreground" not in offered


def test_an_address_leads_to_its_unit_and_survives(watched: Watched, small: Small) -> None:
    chosen = {
        "unit": UNIT, "network": OTHER, "layer": "inception3a.branch1.conv", "shown": "live",
        "measure": "mis_hard", "sort": "other_high", "task": "2",
    }  # fmt: skip
    page = show(watched, small, **chosen)

    def state() -> dict[str, Any]:
        fields = ("network", "layer", "shown", "measure", "sort")
        found = {field: page.locator(f"#{field}").input_value() for field in fields}
        return found | {
            "unit": page.locator("#unit-title").inner_text().replace(" · ", "/"),
            "task": page.locator("input[name=task]:checked").get_attribute("value"),
        }

    assert state() == chosen
    page.reload()
    drawn(page, UNIT)
    assert state() == chosen
    assert page.url.partition("#")[2] == "&".join(f"{key}={value}" for key, value in chosen.items())


def test_back_and_forward_go_from_unit_to_unit(watched: Watched, small: Small) -> None:
    page = show(watched, small, sort="place", network=explorers.name_of(NETWORKS[3]))
    page.locator(".row").nth(4).click()
    drawn(page, "conv1.conv/4")
    page.locator(".row").nth(6).click()
    drawn(page, "inception3a.branch1.conv/1")
    page.get_by_label("Compare dense with").select_option(OTHER)
    compared(page, "0.80")
    for unit in ("inception3a.branch1.conv/1", "conv1.conv/4", "conv1.conv/0"):
        page.go_back()
        drawn(page, unit)
    assert page.locator("#network").input_value() == explorers.name_of(NETWORKS[3])
    page.go_forward()
    drawn(page, "conv1.conv/4")
    assert page.locator(".row[aria-selected=true]").get_attribute("title") == "conv1.conv · 4"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("unit=nowhere/3&network=none", "no network none; instead is shown structured, one shot"),
        ("unit=fc/99", "There is no unit fc/99: the first of the list is shown."),
        ("sort=__proto__&measure=toString", "Opened at structured, one shot"),
        ("%", "Opened at structured, one shot"),
    ],
)
def test_a_wrong_address_shows_what_there_is(
    watched: Watched, small: Small, address: str, told: str
) -> None:
    watched.page.goto(f"{small.page.resolve().as_uri()}#{address}")
    drawn(watched.page, most_changed(small, OPENED))
    assert told in watched.page.locator("#opened").inner_text()
    assert watched.page.locator("#left .image").count() == 18


def test_the_keyboard_is_enough(watched: Watched, small: Small) -> None:
    page = show(watched, small, network=OTHER, sort="place")
    focused = "document.activeElement.id"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate(focused) == "unit-title"
    page.locator("#skip").focus()
    reached = []
    while not reached or reached[-1] != "copy":
        page.keyboard.press("Tab")
        reached.append(page.evaluate(focused))
        assert len(reached) < 14, reached
    buttons = ["previous", "next", "copy"]
    assert reached == [
        "open-most",
        "network",
        "layer",
        "shown",
        "measure",
        "sort",
        "list",
        *buttons,
    ]
    assert page.locator("#previous").get_attribute("aria-disabled") == "true"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    drawn(page, "conv1.conv/1")
    assert page.evaluate(focused) == "next"
    page.locator("#list").focus()
    for keys, unit in [
        (["ArrowDown"] * 2 + ["ArrowUp"], "conv1.conv/2"),
        (["End"], "fc/3"),
        (["Home", "PageDown", "PageUp"], "conv1.conv/0"),
        (["End", "ArrowDown"], "fc/3"),
    ]:
        for key in keys:
            page.keyboard.press(key)
        drawn(page, unit)
        active = page.locator("#list").get_attribute("aria-activedescendant")
        option = page.locator(f"#{active}")
        assert option.get_attribute("title") == unit.replace("/", " · ")
        assert option.get_attribute("aria-selected") == "true"
        visible = "([row, list]) => row.top >= list.top - 1 && row.bottom <= list.bottom + 1"
        boxes = [f"document.querySelector('{css}').getBoundingClientRect()"
                 for css in (f"#{active}", "#list")]  # fmt: skip
        assert page.evaluate(f"({visible})([{', '.join(boxes)}])")
    page.wait_for_function("() => location.hash.includes('unit=fc/3')")
    page.locator("input[name=task]").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => location.hash.includes('task=1')")
    assert page.locator("#left-tasks .verdict").inner_text().startswith("Middle task")


def test_moving_along_the_list_leaves_one_entry(watched: Watched, small: Small) -> None:
    page = show(watched, small, sort="place")
    before = page.evaluate("history.length")
    page.locator("#list").focus()
    for _ in range(30):
        page.keyboard.press("ArrowDown")
    drawn(page, names()[30])
    page.wait_for_function("name => location.hash.includes(name)", arg=names()[30])
    assert page.evaluate("history.length") == before


def test_names_are_text_whatever_they_are(watched: Watched, small: Small) -> None:
    page = show(watched, small, unit=UNIT, network=OTHER)
    bad = explorers.CLASSES[1]
    assert any(bad in text for text in descriptions(page, "#left"))
    assert bad in page.locator("#left").inner_text() + page.locator("#right").inner_text()
    assert "<b>clothes</b>" in page.locator("#about").inner_text()
    assert page.locator("article img, footer b").count() == 0
    show(watched, small, unit="fc/1")
    drawn(page, "fc/1")
    assert bad in page.locator("#unit-kind").inner_text()
    assert "unit explorer" in page.title()


def test_missing_files_are_named(browser: Any, small: Small, tmp_path: Path) -> None:
    copy = tmp_path / "explorer"
    shutil.copytree(small.page.parent, copy)
    (copy / "data" / explorers.name_of(PRUNED) / "images.js").unlink()
    opened = Watched(browser)
    opened.page.goto(f"{(copy / 'index.html').as_uri()}#network={OTHER}")
    opened.page.wait_for_selector("#problem:not([hidden]):has-text('images.js is not there')")
    assert "Copy or unpack the whole folder" in opened.page.locator("#problem").inner_text()
    opened.page.get_by_label("Compare dense with").select_option(explorers.name_of(NETWORKS[3]))
    opened.page.wait_for_selector("#problem", state="hidden")
    shutil.rmtree(copy / "data")
    opened.page.reload()
    opened.page.wait_for_selector("#problem:has-text('data/study.js is not there')")
    opened.close()


def test_without_scripts_it_says_what_it_needs(browser: Any, small: Small) -> None:
    opened = Watched(browser, java_script_enabled=False)
    opened.page.goto(small.page.as_uri())
    assert "allow scripts" in opened.page.locator("#problem").inner_text()
    opened.close()


CONTRAST = """() => {
  const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const luminance = (colour) => {
    const [red, green, blue] = colour.match(/[\\d.]+/g).map((part) => linear(Number(part) / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const solid = (colour) => !/^rgba\\(.*, 0\\)$/.test(colour);
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility()) continue;
    let behind = element;
    while (behind && !solid(getComputedStyle(behind).backgroundColor)) {
      behind = behind.parentElement;
    }
    const style = getComputedStyle(element);
    const colours = [element.namespaceURI.endsWith("svg") ? style.fill : style.color,
      behind ? getComputedStyle(behind).backgroundColor : "rgb(255, 255, 255)"];
    const [dark, light] = colours.map(luminance).sort((one, two) => one - two);
    found.push([(light + 0.05) / (dark + 0.05), element.tagName, element.textContent.slice(0, 30)]);
  }
  return found;
}"""


def test_text_stands_out(watched: Watched, small: Small) -> None:
    page = show(watched, small, unit=UNIT, network=OTHER)
    page.locator("summary").click()
    found = page.evaluate(CONTRAST)
    assert len(found) > 100
    assert [entry for entry in found if entry[0] < 4.5] == []


def test_everything_has_a_name(watched: Watched, small: Small) -> None:
    page = show(watched, small, unit=UNIT, network=OTHER)
    assert page.locator("html").get_attribute("lang") == "en"
    for landmark in ("banner", "main", "contentinfo"):
        assert page.get_by_role(landmark).count() == 1
    regions = page.locator("section, article").evaluate_all(
        "all => all.map(one => one.getAttribute('aria-label')"
        " || document.getElementById(one.getAttribute('aria-labelledby')).textContent)"
    )
    assert len(regions) == 7
    assert all(regions)
    levels = page.locator("h1, h2, h3, h4").evaluate_all("all => all.map(one => +one.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for role in ("img", "listbox", "list", "option"):
        nameless = page.locator(f"[role={role}]").evaluate_all(
            "all => all.filter(one => !one.getAttribute('aria-label')).length"
        )
        assert nameless == 0, role
    fields = page.locator("select, input").evaluate_all("all => all.map(one => one.labels.length)")
    assert fields == [1] * 8
    assert page.get_by_role("status").count() == 2
    ids = page.locator("[id]").evaluate_all("all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("width", [320, 375, 800, 1280, 1920])
def test_nothing_is_cut_off(watched: Watched, small: Small, width: int) -> None:
    watched.page.set_viewport_size({"width": width, "height": 800})
    page = show(watched, small, unit=UNIT, network=OTHER)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.locator("article *").evaluate_all(
        "all => all.filter(one => one.checkVisibility() && one.getBoundingClientRect().right"
        " > innerWidth + 1 && !one.classList.contains('unseen')).map(one => one.outerHTML)"
    )
    assert outside == []


@pytest.mark.slow
def test_a_large_study_loads_what_is_shown(watched: Watched, small: Small, tmp_path: Path) -> None:
    """8,280 units in 40 networks: files are asked for one by one, rows are drawn as needed."""
    folder = tmp_path / "explorer"
    shutil.copytree(small.page.parent, folder, ignore=shutil.ignore_patterns("data"))
    copies = 8280 // len(explorers.units())
    names = [f"layer{n}" for n in range(copies)]
    live = sum(~small.exemplars[0]["constant"])
    numbers = {"scores": len(explorers.units()), "images": live}
    network_columns = {}
    exemplars, scores = small.exemplars[0], small.scores[0]
    measures = unit_tables.MEASURES.read(small.job.input.measures[0])
    settings = mis.ScoreSettings(**explorers.MIS)
    parts = {
        "scores": score_columns(scores, measures),
        "images": image_columns(exemplars, scores, small.similarity, settings),
    }
    for part, columns in parts.items():
        network_columns[part] = {
            key: np.tile(values, (copies, *[1] * (values.ndim - 1)))
            for key, values in columns.items()
        }
        assert len(network_columns[part][next(iter(columns))]) == copies * numbers[part]
    network_columns["tasks"] = {name: network_columns["images"].pop(name) for name in TASK_COLUMNS}
    networks = [DENSE] + [PRUNED | {"seed": 0, "rate": f"0.{n:02d}"} for n in range(10, 49)]
    shown = {"top1": 0.5, "live_units": copies * live, "mis_soft_live": 0.6}
    for network in networks:
        for part, columns in network_columns.items():
            name = f"{explorers.name_of(network)}/{part}"
            path = folder / "data" / f"{name}.js"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(script(name, columns))
    units = len(explorers.units())
    study = script(
        "study", {"label": np.arange(explorers.IMAGES, dtype=np.uint8) % 4},
        study="large", dataset="large", metric="none", mis=explorers.MIS,
        classes=explorers.CLASSES,
        layers=[{"name": name, "type": "conv2d", "units": units} for name in names],
        networks=[
            {**network, "name": explorers.name_of(network), **shown} for network in networks
        ],
        sheets={"names": ["sheet0000.png"], "side": 32, "columns": 32}, trivial=[],
        groups=[], opening=None, copy=None,
    )  # fmt: skip
    (folder / "data" / "study.js").write_bytes(study)
    page = watched.page
    page.goto(f"{(folder / 'index.html').as_uri()}#sort=place")
    drawn(page, "layer0/0")
    assert len(watched.data(folder)) == 7
    assert page.locator("#network option").count() == 39
    assert page.locator(".row").first.get_attribute("aria-setsize") == str(copies * units)
    assert page.locator(".row").count() < 60
    page.get_by_label("Compare dense with").select_option(explorers.name_of(networks[20]))
    compared(page, "0.29")
    assert len(watched.data(folder)) == 10
    page.get_by_label("Order").select_option("dense_high")
    page.locator("#list").press("End")
    page.wait_for_function("() => document.querySelector('.row[aria-selected=true]')?.ariaPosInSet"
                           f" === '{copies * units}'")  # fmt: skip
    assert page.locator(".row").count() < 60
    assert len(watched.data(folder)) == 10


def test_constant_units_of_the_study_are_as_planned(small: Small) -> None:
    pruned = small.exemplars[NETWORKS.index(PRUNED)]
    constant = pruned.with_row_index().filter(pl.col("constant"))["index"].to_list()
    assert constant == list(explorers.CONSTANT)
    assert number_of(CONSTANT) in constant
    assert number_of(UNIT) not in constant
