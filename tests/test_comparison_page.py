"""The page of a report of two files: what it says, what it lets through, what it costs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.comparisons import about, bare_column, level_column, many, sample
from vedette.output import names, numbers, theme
from vedette.output.comparison import Comparison, Confusion, Estimate, Figures, Finding, Picture
from vedette.output.comparison_page import page
from vedette.output.comparison_svg import bars, histogram
from vedette.records import Status

HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "<style>*{display:none}</style>",
    "</title><svg onload=alert(1)>",
    "javascript:alert(1)",
    "<!-- <!--",
    "]]><script>alert(1)</script>",
    "&lt;b&gt; &amp;amp; &#60;i&#62;",
    "user\u202egpj.exe",
    "a\x00b\x1b[31mc\x7f\x9b",
    "line one\nline two\r\ttab",
    "lone \ud800 surrogate \udfff",
    "\u2066isolate\u2069 \u200bzero \ufeffwidth \u2028line",
    "👩‍👩‍👧 家族 عائلة",
    "x" * 60_000,
    "",
    "{{7*7}} ${7*7} `id`",
]
VOID = {"meta", "input", "br", "img", "path", "line", "circle"}
PLAIN_TAGS = {"script", "style"}


@dataclass
class Seen(HTMLParser):
    """What a browser's parser would find in a page."""

    tags: dict[str, int] = field(default_factory=dict)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)
    inside: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count the tag and keep its attributes."""
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.inside = tag

    def handle_data(self, data: str) -> None:
        """Keep the text by the tag it follows."""
        self.texts.setdefault(self.inside, []).append(data)

    def handle_comment(self, data: str) -> None:
        """Count a comment as a tag: the page has none."""
        self.tags["comment"] = self.tags.get("comment", 0) + 1


def read(text: str) -> Seen:
    """The page as its parser sees it."""
    seen = Seen()
    seen.feed(text)
    seen.close()
    return seen


def named(names_: list[str]) -> Comparison:
    """A report whose every name and text, wherever one can stand, is one of these."""
    base = sample()
    columns = tuple(
        replace(base.columns[at % len(base.columns)], name=name, words=name, reason=name, kind="numeric")
        for at, name in enumerate(names_)
    )
    levels = tuple(
        level_column(f"levels {at}", "category", {name: 0.6, "b": 0.4}, {name: 0.5, "b": 0.5}, True)
        for at, name in enumerate(names_)
    )
    return replace(
        base,
        current=names_[0],
        reference=names_[-1],
        method=names_[1],
        columns=columns + levels,
        figures=tuple(
            Figures(name, name, about(0.5, 0.1, 9), Estimate(None, None, None, 0, name), None)
            for name in names_
        ),
        findings=tuple(Finding(Status.ALARM, name, name) for name in names_),
        confusion=Confusion(tuple(names_), tuple((1,) * len(names_) for _ in names_)),
        notes=tuple(names_),
    )


@pytest.fixture(scope="module")
def shown() -> str:
    """The page of the sample."""
    return page(sample())


def test_nothing_is_loaded_from_elsewhere(shown: str) -> None:
    """No attribute of the page names a resource: links lead within the page only."""
    seen = read(shown)
    loads = [
        value for _, name, value in seen.attributes if name in ("src", "href", "srcset", "data", "action")
    ]
    assert loads
    assert all(value.startswith("#") for value in loads)
    assert not re.search(r"https?://|url\(|@import", shown)


def test_the_policy_allows_just_the_style_and_the_script_of_the_page(shown: str) -> None:
    """The hashes of the policy are those of the one style and the one script; nothing else may load or run."""
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', shown)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    for tag in ("style", "script"):
        inner = re.findall(rf"<{tag}>(.*?)</{tag}>", shown, re.DOTALL)
        assert len(inner) == 1
        digest = base64.b64encode(hashlib.sha256(inner[0].encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == rules["img-src"] == rules["base-uri"] == "'none'"
    assert not [name for _, name, _ in read(shown).attributes if name == "style" or name.startswith("on")]


def test_every_part_of_the_report_is_told(shown: str) -> None:
    """Verdict, rows, error rate, findings, figures with their n, confusion, columns and notes are on the page."""
    report = sample()
    text = " ".join(shown.replace("\u00a0", " ").split())
    assert "8 of 23 columns changed" in text
    assert "error rate of 5 % by Benjamini and Yekutieli over 61 hypotheses" in text
    for one in report.findings:
        assert one.words in text
    assert "<b>91.2 %</b> [90.7, 91.7] <small>n 12,000</small>" in text
    assert "too few positives: 4, 20 are needed" in text
    assert "9,600<small>97.6 %</small>" in text  # 9,600 of 9,600 + 240
    for at, column in enumerate(report.columns, 1):
        assert f"id=column-{at} " in text
        assert f"<h3><bdi>{column.name}</bdi></h3>" in text
    assert report.notes[0] in text


def test_columns_stand_in_the_order_given(shown: str) -> None:
    """The page does not sort: what changed most is known before."""
    found = re.findall(r"<h3><bdi>([^<]*)</bdi></h3><p class=meta>", shown)
    assert found == [one.name for one in sample().columns]


@pytest.mark.parametrize(
    ("changed", "matters", "words"),
    [
        (True, True, "changed"),
        (True, None, "changed"),
        (True, False, "changed, too small to matter"),
        (False, None, "no change told"),
        (None, None, "cannot be judged"),
    ],
)
def test_the_verdict_of_a_column_is_in_words(changed: bool | None, matters: bool | None, words: str) -> None:
    """Each answer has its own words, on the card and in the table of all columns."""
    column = bare_column("a", "numeric", None, None, changed=changed, matters=matters)
    text = page(replace(sample(), columns=(column,)))
    assert re.search(rf"<p class=meta><b class=\w+>{words}</b>", text)
    assert re.search(rf"<td class=t><span class='\w*'>{words}</span>", text)


def test_it_is_told_which_file_alone_has_a_column() -> None:
    """A column with one side is in that file only; with none nothing is claimed."""
    side = sample().columns[0].current
    columns = (
        bare_column("new", "numeric", side, None, changed=True),
        bare_column("gone", "numeric", None, side, changed=True),
        bare_column("untold", "numeric", None, None, changed=True),
    )
    text = page(replace(sample(), columns=columns))
    said = [re.findall("<span>(only[^<]*)</span>", card) for card in text.split("<article ")[1:]]
    assert said == [["only in the current file"], ["only in the reference"], []]


def test_a_column_that_changed_beyond_measure_does_not_hide_the_others() -> None:
    """A PSI of 16 is drawn at the end of the axis, one of 0.5 in the middle of it."""
    columns = tuple(
        replace(sample().columns[0], name=name, distances={"psi": Estimate(psi, psi, psi, 9)})
        for name, psi in (("far", 16.0), ("near", 0.515))
    )
    text = page(replace(sample(), columns=columns, figures=()))
    assert re.findall(r'<circle class=c cx="([^"]*)"', text) == ["100%", "50%"]


def test_a_report_of_one_file_says_that_nothing_was_compared() -> None:
    """Without a reference there are no verdicts of columns, no outlines, and no reference columns in tables."""
    base = sample()
    columns = tuple(
        replace(
            one,
            reference=None,
            changed=None,
            distances={},
            picture=one.picture and replace(one.picture, reference=(), beyond=(0.0, 0.0, 0.0, 0.0)),
        )
        for one in base.columns
    )
    figures = tuple(replace(one, reference=None, changed=None) for one in base.figures)
    text = page(replace(base, reference=None, reference_rows=None, columns=columns, figures=figures))
    assert "there is no reference to compare with" in text
    body = text[text.index("<body>") : text.index("<script>")]
    assert "cannot be judged" not in body
    assert "class=r" not in body
    assert "<th>reference" not in body


def test_an_empty_report_is_a_page() -> None:
    """No columns, no figures, no findings: still a page that says so."""
    empty = replace(sample(), columns=(), figures=(), findings=(), confusion=None, notes=())
    assert "There are none." in page(empty)


# --- what comes from outside ---------------------------------------------------------------------------------------


def test_hostile_names_add_no_tag_and_no_attribute() -> None:
    """The page of hostile names has the very tags and attributes of the page of plain names: names are text only."""
    plain = [f"name {at}" if name else "" for at, name in enumerate(HOSTILE)]
    bad, good = read(page(named(HOSTILE))), read(page(named(plain)))
    assert bad.tags == good.tags
    assert bad.tags["script"] == 1
    assert "comment" not in bad.tags
    kinds = {(tag, name) for tag, name, _ in bad.attributes} - {
        (tag, name) for tag, name, _ in good.attributes
    }
    assert kinds <= {("bdi", "title")}  # the full name of the long one
    assert not [name for _, name, _ in bad.attributes if name.startswith("on") or name == "src"]


def test_the_page_encodes_as_utf_8_and_holds_no_control_character() -> None:
    """Lone surrogates, NUL, ANSI escapes and direction marks are shown as marks; the page itself is clean."""
    text = page(named(HOSTILE))
    assert text.encode("utf-8")
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u200b\ufeff\ud800-\udfff]", text
    )
    assert "user⟨U+202E⟩gpj.exe" in text
    assert "a⟨U+0000⟩b⟨U+001B⟩[31mc⟨U+007F⟩⟨U+009B⟩" in text
    assert "lone ⟨U+D800⟩ surrogate ⟨U+DFFF⟩" in text
    assert "👩‍👩‍👧 家族 عائلة" in text


def test_a_name_reads_back_as_it_was() -> None:
    """What a reader sees of a name with markup is the name, letter by letter."""
    seen = read(page(named(HOSTILE)))
    for name in (HOSTILE[0], HOSTILE[1], HOSTILE[8]):
        assert name in seen.texts["bdi"]


def test_a_long_name_is_cut_with_the_full_one_as_its_title() -> None:
    """100 characters are cut to 80, the title has all; of a name of 60,000 the title has as many as are of use."""
    name = "n" * 100
    text = page(replace(sample(), columns=(bare_column(name, "text", None, None),)))
    assert f'<h3><bdi title="{name}">{"n" * 79}…</bdi></h3>' in text
    longest = page(replace(sample(), columns=(bare_column("x" * 60_000, "text", None, None),)))
    assert len(longest) < len(text) + 2 * names.LONGEST_TITLE


@pytest.mark.parametrize("name", ["plain_name", "naïve", "数", "a b", "👩‍👩‍👧", "می‌خواهم"])
def test_an_honest_name_is_left_alone(name: str) -> None:
    """Letters of any script, and the joiners that belong to words and emoji, are shown as they are."""
    assert names.visible(name) == name


# --- numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "unit", "words"),
    [
        (Estimate(0.91234, 0.9051, 0.9188, 9), "%", ("91.2 %", "[90.5, 91.9]")),
        (Estimate(41234.0, 41012.0, 41456.0, 9), "", ("41,230", "[41,010, 41,460]")),
        (Estimate(0.0661, 0.0641, 0.0681, 9), "s", ("0.0661 s", "[0.0641, 0.0681]")),
        (Estimate(3.2e-7, 3.1e-7, 3.3e-7, 9), "", ("3.2e-7", "[3.1e-7, 3.3e-7]")),
        (Estimate(4.1e9, 4.0e9, 4.2e9, 9), "", ("4.1e9", "[4e9, 4.2e9]")),
        (Estimate(0.0, 0.0, 0.0, 9), "", ("0", "[0, 0]")),
        (Estimate(-0.001, -0.5, 0.5, 9), "", ("0", "[-0.5, 0.5]")),
        (Estimate(0.0, 0.0, 0.025, 9), "", ("0", "[0, 0.025]")),
        (Estimate(7.0, None, None, 9), "count", ("7", "")),
        (Estimate(7.0, 7.0, 7.0, 9), "count", ("7", "")),
        (Estimate(None, None, None, 0, "no rows"), "", ("", "")),
        (Estimate(1.728e15, 1.727e15, 1.729e15, 9), "time", ("2024-10-04", "[2024-09-22, 2024-10-15]")),
        (Estimate(864e8, 432e8, 1728e8, 9), "duration", ("1.0 days", "[0.5, 2.0]")),
    ],
)
def test_a_figure_is_rounded_by_its_interval(one: Estimate, unit: str, words: tuple[str, str]) -> None:
    """Two digits of the interval's width, the same decimals for the value and both ends."""
    assert numbers.estimate(one, unit) == words


@pytest.mark.parametrize("value", [float("inf"), float("nan"), -float("inf"), 1e308, 5e-324, 2**63, -1e300])
@pytest.mark.parametrize("unit", ["", "%", "s", "count", "time", "duration"])
def test_no_number_is_too_large_to_be_told(value: float, unit: str) -> None:
    """A number of any size has words, in any unit."""
    assert numbers.number(float(value), unit)


# --- pictures ------------------------------------------------------------------------------------------------------


def path(drawn: str, mark: str) -> str:
    """The path of the current (``c``) or of the reference (``r``)."""
    found = re.search(rf'<path class={mark} d="([^"]*)"', drawn)
    assert found is not None
    return found[1]


def test_areas_of_a_histogram_are_shares_of_rows() -> None:
    """Half of the rows in a bin three times as wide is drawn a third as high: the areas are equal."""
    drawn = histogram(Picture((0.0, 1.0, 4.0), (), (0.5, 0.5), (0.5, 0.5)), "numeric")
    tops = [96 - int(y) for y in re.findall(r"V(\d+)", path(drawn, "c"))][:2]
    assert tops[0] == 95
    assert tops[1] == pytest.approx(95 / 3, abs=1)


def test_a_histogram_of_powers_has_a_logarithmic_axis() -> None:
    """Bins that are even on a logarithmic axis are drawn on one, and it is said."""
    drawn = histogram(Picture((1.0, 10.0, 100.0, 1000.0), (), (0.2, 0.5, 0.3), ()), "numeric")
    assert "logarithmic axis" in drawn
    assert re.findall(r"H(\d+)", path(drawn, "c")) == ["333", "667", "1000"]


@pytest.mark.parametrize(
    "picture",
    [
        Picture((7.0, 7.0), (), (1.0,), (1.0,)),
        Picture((7.0,) * 41, (), (0.0,) * 39 + (1.0,), ()),
        Picture((-1e308, 0.0, 1e308), (), (0.5, 0.5), (0.5, 0.5)),
        Picture((0.0, 5e-324), (), (1.0,), (1.0,)),
        Picture((1e300, 1.0000001e300), (), (1.0,), (1.0,)),
        Picture((0.0, 1.0), (), (0.0,), (0.0,)),
        Picture((), (), (), ()),
    ],
)
@pytest.mark.parametrize("kind", ["numeric", "time"])
def test_no_numbers_are_too_odd_to_be_drawn(picture: Picture, kind: str) -> None:
    """Constants, the utmost floats and nothing at all: a picture or none, with no nan in it."""
    assert "nan" not in histogram(picture, kind)


def test_what_lies_beyond_a_picture_is_told() -> None:
    """The tails that are left out are told in percent."""
    picture = Picture((0.0, 1.0), (), (0.97,), (0.5,), (0.01, 0.02, 0.0, 0.5))
    words = "not drawn: 1.0 % below, 2.0 % above (reference 0 %, 50.0 %)"
    assert words in histogram(picture, "numeric").replace("\u00a0", " ")


def test_a_category_that_changed_is_shown_however_rare_it_was() -> None:
    """Of 40 categories the eight most frequent and the four that changed most are drawn, the others summed."""
    labels = tuple(f"level {at}" for at in range(40))
    reference = (*(0.02 for _ in labels[:-1]), 0.22)
    current = (*(0.02 for _ in labels[:-2]), 0.2, 0.04)
    drawn = bars(Picture((), labels, current, reference))
    assert drawn.count("<bdi>") == 12
    assert "level 38<" in drawn
    assert "level 39<" in drawn
    assert "and 28 more with 56.0 % of rows (reference 56.0 %)" in drawn  # 28 of 0.02


def test_bars_are_as_long_as_shares() -> None:
    """A category of half the share has a bar of half the length."""
    drawn = bars(Picture((), ("a", "b"), (0.6, 0.3), (0.5, 0.5)))
    assert [int(one) for one in re.findall(r"h(\d+)v", path(drawn, "c"))] == pytest.approx([997, 498], abs=1)


def test_every_picture_says_in_words_what_it_shows(shown: str) -> None:
    """Each SVG that stands alone has a role and a label, or is hidden from those who hear the page."""
    alone = re.findall(r"<svg(?! y=)[^>]*>", shown)
    assert len(alone) > 60
    assert all(("role=img" in one and "aria-label=" in one) or "aria-hidden" in one for one in alone)


# --- colours -------------------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """Relative luminance of a colour like #fff or #1c1f23 (WCAG 2.1)."""
    digits = colour.lstrip("#")
    digits = "".join(2 * one for one in digits) if len(digits) == 3 else digits
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["bg", "card"])
def test_colours_stand_out_from_their_ground(colours: str, ground: str) -> None:
    """Texts have a contrast of 4.5 to 1 and lines of 3 to 1 in both themes (WCAG 2.1, AA)."""
    found = dict(re.findall(r"--(\w+):(#\w+)", colours))
    for name, wanted in {
        **dict.fromkeys(("fg", "dim", "OK", "WARN", "ALARM", "UNKNOWN"), 4.5),
        "mark": 3.0,
        "ref": 3.0,
    }.items():
        light, dark = sorted((luminance(found[name]), luminance(found[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= wanted, name


# --- size and time -------------------------------------------------------------------------------------------------


def test_two_hundred_columns_are_less_than_a_megabyte() -> None:
    """The page stays small, and grows with the columns, not with the rows."""
    report = many(200)
    assert len(page(report).encode()) < 1_000_000
    more = replace(report, rows=10**12, reference_rows=10**12)
    assert len(page(more)) - len(page(report)) < 100


def test_a_thousand_columns_are_drawn_in_time() -> None:
    """1,000 columns take less than two seconds and 5 MB, on a slow machine too."""
    report = many(1000)
    started = time.process_time()
    text = page(report)
    assert time.process_time() - started < 2.0
    assert text.count("<article ") == 1000
    assert len(text) < 5_000_000


# --- a real browser ------------------------------------------------------------------------------------------------

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")


def rendered(folder: Path, text: str, place: str = "", allow: str = "--disable-sync") -> str:
    """The page's document after its script ran, as a headless Chromium has it."""
    assert BROWSER is not None
    file = folder / "report.html"
    file.write_text(text, "utf-8")
    quiet = "--disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update"
    done = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            allow,
            *quiet.split(),
            f"--user-data-dir={folder / 'profile'}",
            "--dump-dom",
            f"{file.as_uri()}{place}",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def cards(document: str) -> dict[str, bool]:
    """The columns' names in the order of their cards, and whether each card is shown."""
    found = re.findall(r'<article class="col[^>]*?( hidden="")?><h3><bdi[^>]*>([^<]*)</bdi>', document)
    return {name: not hidden for hidden, name in found}


@needs_browser
def test_the_search_shows_the_columns_it_finds(tmp_path: Path) -> None:
    """A search hides the cards and lines of other columns, and says how many are left."""
    document = rendered(tmp_path, page(sample()), "#q=AGE")
    assert [name for name, seen in cards(document).items() if seen] == ["age"]
    assert re.search(r'id="count"[^>]*>1 of 23 shown<', document)
    assert document.count('<tr hidden="">') == 22


@needs_browser
def test_filter_sort_and_theme_work(tmp_path: Path) -> None:
    """Only what changed, sorted by name, on a dark ground."""
    document = rendered(tmp_path, page(sample()), "#show=changed&sort=name&theme=dark")
    seen = [name for name, shown in cards(document).items() if shown]
    assert seen == sorted(one.name for one in sample().columns if one.changed)
    assert re.search(r'<html [^>]*data-theme="dark"', document)


@needs_browser
def test_hostile_names_do_not_run(tmp_path: Path) -> None:
    """A browser that would run any script finds none in names; the page's own still works on them."""
    text = page(named(HOSTILE))
    for act in ("alert(1)", "onerror=alert"):
        text = text.replace(
            act, act.replace("alert(1)", "document.title=1").replace("alert", "document.title=1;")
        )
    loose = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    assert "document.title=1" in loose
    document = rendered(tmp_path, loose, "#q=onerror")
    assert "<title>1</title>" not in document
    assert list(cards(document).values()).count(True) == 1


@needs_browser
def test_the_script_runs_under_the_policy(tmp_path: Path) -> None:
    """The hash in the policy lets the page's script run, and no script that was added to the page."""
    added = page(sample()).replace("</main>", "</main><script>document.title='added'</script>")
    document = rendered(tmp_path, added)
    assert 'class="js"' in document
    assert "<title>added</title>" not in document


@needs_browser
def test_the_table_sorts_a_slash_searches_and_print_opens(tmp_path: Path) -> None:
    """A click on a head sorts the lines, again turns them; "/" leads to the search; all figures open for paper."""
    act = """<script>
        const lines = () => [...document.querySelectorAll('#overview tbody tr')].map(r => parseFloat(r.cells[4].textContent));
        const psi = document.querySelectorAll('#overview th button')[4];
        psi.click(); const down = lines(); psi.click(); const up = lines();
        document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '/', bubbles: true}));
        const all = s => document.querySelectorAll(s).length;
        dispatchEvent(new Event('beforeprint')); const open = all('details[open]');
        dispatchEvent(new Event('afterprint')); const after = all('details[open]');
        document.title = JSON.stringify([down, up, document.activeElement.id, open, all('details'), after]);
    </script>"""
    loose = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page(sample()))
    before = loose.count("<details open>")
    document = rendered(tmp_path, loose.replace("</body>", f"{act}</body>"))
    said = re.search("<title>(.*?)</title>", document)
    assert said is not None
    down, up, focused, opened, details, after = json.loads(said[1])
    known = [one.distances["psi"].value for one in sample().columns if one.distances]
    assert [one for one in down if one is not None] == pytest.approx(sorted(known, reverse=True), abs=1e-3)  # type: ignore[type-var]
    assert [one for one in up if one is not None] == pytest.approx(sorted(known), abs=1e-3)  # type: ignore[type-var]
    assert focused == "q"
    assert (opened, after) == (details, before)
    assert before < details


@needs_browser
def test_the_page_is_no_wider_than_a_phone(tmp_path: Path) -> None:
    """At 360 pixels nothing stands out of the page, with hostile names either: what is wide scrolls within."""
    (tmp_path / "inner.html").write_text(page(replace(named(HOSTILE), current="x" * 60_000)), "utf-8")
    measure = """<iframe src="inner.html" style="width:360px;height:800px;border:0"></iframe><script>
        onload = () => { const r = frames[0].document.documentElement; document.title = `${r.scrollWidth} of ${r.clientWidth}` }
    </script>"""
    document = rendered(tmp_path, measure, allow="--allow-file-access-from-files")
    said = re.search(r"<title>(\d+) of (\d+)</title>", document)
    assert said is not None
    assert int(said[1]) <= int(said[2]) <= 360


def test_without_a_script_all_is_shown(shown: str) -> None:
    """Nothing is hidden in the page itself: what the script hides, it hides by its attribute."""
    assert not [name for _, name, _ in read(shown).attributes if name == "hidden"]
