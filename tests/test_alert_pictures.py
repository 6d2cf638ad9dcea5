"""What people are sent of an alert beside words: where it is shown, and a picture of the figure around the window that told."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.receivers import alert, notice, receiver
from tests.world import DAY, World
from vedette import config
from vedette.engine import alerts as alerts_module
from vedette.engine.alert_pictures import picture_of, pictures_of
from vedette.engine.delivery import deliver
from vedette.engine.figures import figures
from vedette.errors import ConfigError
from vedette.output.alert_png import alert_png
from vedette.output.alert_svg import alert_svg
from vedette.output.channels.words import text
from vedette.output.report import Picture, Point
from vedette.records import Alert, Status, Verdict


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A model whose feature moves, with a rule that is broken; one alert of each at the least."""
    folder = tmp_path_factory.mktemp("pictures")
    path = folder / "vedette.toml"
    path.write_text("[models.m.rules]\nlow = 'mean(x) > 2'\nodd = 'values(x) outside -90 to 90'\n")
    made = World(folder / "lake")
    made.monitor.reference(made.rows(2000))
    from vedette.engine import cycle

    for shift in (0.0, 0.0, 3.0, 3.0):
        made.log_day(made.rows(200, shift=shift))
        cycle.once(made.lake, models=["m"], written=config.read(path))
    made.monitor.close()
    return made


def of(world: World, watch: str) -> Alert:
    return next(one for one in alerts_module.alerts(world.lake.model("m")) if one.watch == watch)


def test_the_figure_is_drawn_around_the_window_that_told(world: World) -> None:
    """Each window with its interval as the lake has it, and the level of the reference."""
    one = of(world, "x.location")
    picture = picture_of(world.lake, "m", one)
    assert picture is not None
    every = figures(world.lake, "m", "mean", feature="x").sort("start")
    assert [point.value for point in picture.points] == every["value"].to_list()
    assert [point.low for point in picture.points] == every["low"].to_list()
    assert picture.figure == "mean of x"
    assert picture.reference is not None
    assert picture.reference.value == pytest.approx(0.0, abs=0.1)


def test_a_rule_is_drawn_by_its_own_figure(world: World) -> None:
    """One that is of a figure; what has none has no picture: a range of values, rows that do not come, a run."""
    picture = picture_of(world.lake, "m", of(world, "rule:low"))
    assert picture is not None
    assert (picture.figure, picture.reference) == ("mean of x", None)
    for watch in ("rule:odd", "rule:gone", "no_data", "nothing.location"):
        assert picture_of(world.lake, "m", replace(of(world, "rule:low"), watch=watch)) is None
    assert pictures_of(world.lake, "m.run", [alert()]) == ()


def test_both_formats_open_and_show_the_alarm(world: World) -> None:
    """A strict XML parser and Pillow read them; each has the colour of an alarm where the alarm began."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    found = {one.media_type: one for one in pictures_of(world.lake, "m", [of(world, "x.location")])}
    assert set(found) == {"image/svg+xml", "image/png"}
    root = ElementTree.fromstring(found["image/svg+xml"].content)
    strokes = [one.get("stroke") for one in root.iter("{http://www.w3.org/2000/svg}line")]
    assert "#c62828" in strokes
    assert "var(" not in found["image/svg+xml"].content.decode()
    drawn = image.open(io.BytesIO(found["image/png"].content))
    assert (drawn.size, drawn.format) == ((1280, 352), "PNG")
    colours = {colour for _, colour in drawn.getcolors(100_000)}
    assert {(198, 40, 40), (31, 111, 235)} <= colours  # the alarm's red, the line's blue
    assert (198, 40, 40) in {
        drawn.getpixel((x, 200)) for x in range(drawn.width)
    }  # the upright, below the title


@pytest.mark.parametrize(
    "values",
    [[], [None], [1.0], [1.0, 1.0, 1.0], [1e308, -1e308], [0.0, None, 2.0], [1e-300, 2e-300]],
    ids=["none", "unknown", "one", "constant", "huge", "gap", "tiny"],
)
def test_odd_figures_are_drawn_or_left_out(values: list[float | None]) -> None:
    """No window, one, all equal, a hole, further apart than a number can say: a picture or none, never an error."""
    start = alert().opened
    points = [Point(start + n * DAY, one, one, one, 5) for n, one in enumerate(values)]
    verdict = Verdict("x", "", Status.ALARM, start, "", "")
    picture = Picture("x", "mean of \ud800<script>", points, None)
    svg = alert_svg(picture, verdict, "m: <b>&\x00\ud800")
    assert bool(svg) == (any(one is not None for one in values) and 1e308 not in values)
    if svg:
        ElementTree.fromstring(svg.encode())
        assert "<script>" not in svg
        pytest.importorskip("PIL", reason="Pillow is not installed")
        assert alert_png(picture, verdict, "m: \x00\ud800") is not None


def test_a_notice_goes_out_with_link_and_picture(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a webhook, from the lake: the link of each alert, the verdict, the SVG; a figure that cannot be read stops nothing."""
    monkeypatch.chdir(tmp_path)
    with receiver() as listening:
        (tmp_path / "vedette.toml").write_text(
            f'[server]\nurl = "https://v.example.org/"\n[channels.ops]\ntype = "webhook"\nurl = "{listening.url}"\n'
        )
        deliver(world.lake, ["m"])
        told = [json.loads(body) for _, _, _, body in listening.got]
        one = of(world, "x.location")
        mine = next(each for each in told if one.id in {inner["id"] for inner in each["alerts"]})
        here = next(inner for inner in mine["alerts"] if inner["id"] == one.id)
        assert here["url"] == f"https://v.example.org/models/m/alerts/{one.id}"
        assert (here["verdict"], mine["url"]) == ("ALARM", "https://v.example.org/models/m")
        assert mine["picture"].startswith("<svg xmlns=")
        listening.got.clear()

        def fails(*_: Any) -> Any:
            raise RuntimeError("cannot be drawn")

        monkeypatch.setattr("vedette.engine.alert_pictures.pictures_of", fails)
        deliver(world.lake, ["m"], clock=lambda: world.now.timestamp() + 400 * 86400)
        again = [json.loads(body) for _, _, _, body in listening.got]
        assert again
        assert {each["picture"] for each in again} == {None}


def test_words_have_the_link_where_there_is_a_server() -> None:
    """Of one alert its own page, of several that of the model; none where nobody said where the server is."""
    one, two = alert(), alert("a2")
    assert "https://v.example.org/models/delays/alerts/a1" in text(
        replace(notice(one), url="https://v.example.org")
    )
    assert "https://v.example.org/models/delays\n" in text(
        replace(notice(one, two), url="https://v.example.org/")
    )
    assert "http" not in text(notice(one))


@pytest.mark.parametrize(
    "url", ["'example.org'", "'https://ada:secret@x'", "'https://x/?token=secret'", "'file:///x'", "5", "''"]
)
def test_an_address_of_the_server_that_cannot_be_meant_is_refused(url: str, tmp_path: Path) -> None:
    """It goes to everybody who is told: no password and no token may be in it, nor in the error."""
    path = tmp_path / "vedette.toml"
    path.write_text(f"[server]\nurl = {url}")
    with pytest.raises(ConfigError, match=r"\[server\]: url: must be like https://") as refused:
        config.read(path)
    assert "secret" not in str(refused.value)


def test_the_picture_is_of_the_windows_near_the_alarm(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long history only so many windows before and after are read and drawn."""
    monkeypatch.setattr("vedette.engine.alert_pictures.WINDOWS_BEFORE", 1)
    monkeypatch.setattr("vedette.engine.alert_pictures.WINDOWS_AFTER", 1)
    one = of(world, "x.location")
    picture = picture_of(world.lake, "m", one)
    assert picture is not None
    assert [point.start for point in picture.points] == [one.opened - timedelta(days=1), one.opened]
