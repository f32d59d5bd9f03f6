"""`report --style` and `--width`: widths in inches, embedded fonts, and style files of matplotlib."""

import re
import zlib

import pytest

from bench.errors import BadInput
from reports.figures import FIGURES
from reports.figures.figure_cache import digest
from reports.figures.figure_files import draw
from reports.load.panels import load_view
from reports.load.plans import read_plans
from reports.plots import style
from reports.plots.style_options import parse_look
from tests.reports import synthetic


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    """Figure 4 at the paper's scale: three data sets side by side."""
    runs = tmp_path_factory.mktemp("look")
    synthetic.paper(runs, seeds=(0,))
    return load_view(read_plans(runs)[0], runs, "fig4", "paper", FIGURES["fig4"].keep)


def style_file(folder, text: str) -> str:
    (folder / "journal.mplstyle").write_text(text)
    return str(folder / "journal.mplstyle")


def test_the_width_is_that_of_the_page_and_its_fonts_are_embedded_whatever_the_style_file_says(view, tmp_path):
    look = parse_look(style_file(tmp_path, "font.family: DejaVu Serif\npdf.fonttype: 3\n"), 3.25)
    draw(FIGURES["fig4"], view, {"pdf": tmp_path / "a.pdf"}, look)
    content = (tmp_path / "a.pdf").read_bytes()
    streams = [inflated(part) for part in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)]
    text = content + b"".join(streams)
    (box,) = set(re.findall(rb"/MediaBox \[ ?0 0 ([\d.]+)", text))
    assert float(box) == pytest.approx(3.25 * 72, abs=0.01)
    assert b"/FontFile2" in text and b"DejaVuSerif" in text and b"/Type3" not in text


def inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""


def test_axes_that_no_longer_fit_beside_each_other_stand_in_two_lines(view):
    with style.paper(parse_look("paper", 3.25)):
        figure = FIGURES["fig4"].draw(view)
    corners = [ax.get_position().p0 for ax in figure.axes]
    assert [len({round(corner[axis], 2) for corner in corners}) for axis in (0, 1)] == [2, 2]
    assert [ax.get_ylabel() for ax in figure.axes] == ["RA (%)", "", "RA (%)"]
    assert figure.get_figwidth() == 3.25


def test_slides_have_larger_type_for_their_width_and_thicker_lines():
    with style.paper(parse_look("slides")):
        figure, _ = style.subplots(3)
        assert figure.get_figwidth() < 0.8 * style.TEXT_WIDTH and style.small() == pytest.approx(5.8)


def test_a_style_file_s_font_size_is_that_of_all_texts(tmp_path):
    look = parse_look(style_file(tmp_path, "font.size: 14\nxtick.labelsize: 9\n"))
    with style.paper(look):
        figure, ((ax,),) = style.subplots(1)
        ax.set_xlabel("λ")
        sizes = [
            ax.xaxis.label.get_size(),
            ax.yaxis.get_ticklabels()[0].get_size(),
            ax.xaxis.get_ticklabels()[0].get_size(),
        ]
        assert sizes == [14, 13, 9] and style.small() == pytest.approx(11.6)


def test_another_look_is_drawn_anew(view, tmp_path):
    looks = [
        parse_look(),
        parse_look("slides"),
        parse_look("paper", 3.25),
        parse_look(style_file(tmp_path, "font.size: 8")),
    ]
    assert len({digest(view, look) for look in looks}) == 4 and digest(view, parse_look("paper")) == digest(view)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such style file; built in are paper and slides"),
        ("font.size: large-ish", "font.size"),
        ("lines.linewidht: 2", "Bad key lines.linewidht in file"),
        ("font.size 8", "Missing colon"),
        ("\udcff", "utf-8|decode"),
    ],
)
def test_a_style_that_cannot_be_taken_is_one_line(tmp_path, text, message):
    path = tmp_path / "journal.mplstyle"
    if text is not None:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadInput, match=message) as error:
        parse_look(str(path))
    assert str(error.value).startswith(f"--style {path}: ")
