"""What the page shows: its first figure and sentence, claims as rows, figures joined, networks and settings once."""

import pytest

from reports.claims.verdict_rule import INCONCLUSIVE, NOT_JUDGED, NOT_REPRODUCED, NOT_RUN, REPRODUCED
from reports.figures import FIGURES
from reports.page import claim_rows, page_content
from reports.page.result_sentence import alternative_text, result_sentence

SETTING = {name: [] for name in (*page_content.ASKED, *page_content.RECORDED)} | {
    "scale": "laptop",
    "seeds": [0],
    "from": "",
    "to": "",
}


def figure(name: str, **fields) -> dict:
    network = {"key": "k", "name": "n"}
    panels = [{"heading": "digits", "rates": [], "networks": [network]}]
    page = {"figure": name, "title": FIGURES[name].title, "planned": 2, "missing": [], "panels": panels, "macs": ""}
    return page | SETTING | {"training": "1 s", "measuring": "1 s", "curves": [], "summary": []} | fields


def claim(id: int, verdict: str, name: str = "fig4", settle: str = "", **numbers) -> dict:
    interval = {"value": 4.0, "low": 3.0, "high": 5.0, "asked_low": None, "asked_high": 1.0} | numbers
    line = {"what": "ε", "asked": "≤ 1", "value": "4.00 [3.00, 5.00]", "verdict": verdict, "interval": interval}
    check = {"name": "close", "verdict": verdict, "decides": True, "settle": settle, "told": [line]}
    parts = [] if verdict in (NOT_RUN, NOT_JUDGED) else [{"on": "digits", "checks": [check]}]
    entry = {"id": id, "claim": f"Claim {id}", "verdict": verdict, "figures": [name], "parts": parts}
    return entry | {"unjudged": [{"name": "close", "where": "at scale paper"}]}


@pytest.mark.parametrize(
    ("drawn", "first"),
    [
        ((), "fig4"),
        (("fig2", "fig4"), "fig4"),
        (("fig2", "fig13"), "fig2"),
        (("fig13",), "fig13"),
        (("fig99",), "fig4"),
    ],
)
def test_figure_4_stands_first_if_it_was_asked_for(drawn, first):
    assert page_content.first_figure(["fig2", "fig4", "fig13"], drawn) == first


def test_figures_of_the_same_picture_are_one_section(tmp_path):
    names = ["fig4", "fig8", "fig10", "fig11", "fig12"]
    for name in names:
        (tmp_path / f"{name}.csv").write_text(f"experiment,key\nof_{name},{'other' if name == 'fig12' else 'same'}\n")
    groups = page_content.joined([figure(name) for name in names], tmp_path)
    assert [[part["figure"] for part in group] for group in groups] == [
        ["fig4"],
        ["fig8"],
        ["fig10", "fig11"],
        ["fig12"],
    ]
    section = page_content.section(
        [part | {"formats": ["png"]} for part in groups[2]], [claim(11, REPRODUCED, "fig11")]
    )
    assert section["title"] == "Figure 10 and Figure 11. Jacobian saliency maps: the same networks, drawn once"
    assert [asked["id"] for asked in section["asked"]] == [11]


def test_what_figures_share_stands_once():
    commits = {"measured_at": ["a (3 networks)", "b (1 network)"], "from": "2026-01-01", "to": "2026-01-03"}
    later = {"measured_at": ["b"], "from": "2026-01-02", "to": "2026-01-04", "training": "9 s"}
    figures = [figure("fig4", **commits), figure("fig8", **commits), figure("fig2", **later)]
    laptop, paper = page_content.settings([*figures, figure("fig5", scale="paper")])
    assert [names for names, _ in laptop["costs"]] == ["Figure 4 and Figure 8", "Figure 2"]
    assert laptop["measured_at"] == ["a", "b"] and (laptop["from"], laptop["to"]) == ("2026-01-01", "2026-01-04")
    assert laptop["figures"] == ["Figure 4", "Figure 8", "Figure 2"] and paper["scale"] == "paper"
    ((_, shown),) = page_content.networks(figures)
    assert [part["figure"] for part in shown] == ["fig4", "fig8", "fig2"]


def test_a_learning_rate_without_a_choice_is_not_listed():
    tried = {"network": "PGD-AT, λ=0", "won": "0.1", "scores": ["0.1: 0.7 (1 of 1)", "0.05: 0.6 (1 of 1)"]}
    panels = [{"heading": "digits", "networks": [], "rates": [tried, tried | {"scores": tried["scores"][:1]}]}]
    assert page_content.rates([figure("fig4", panels=panels)] * 2) == [tried | {"heading": "digits"}]


# ---- the sentence


def sentence(*claims: dict, **fields) -> str:
    return result_sentence(figure("fig4", **fields), {"claims": list(claims)})


def test_the_sentence_has_the_answers_and_counts_open_questions():
    text = sentence(claim(1, INCONCLUSIVE), claim(3, NOT_REPRODUCED), claim(15, REPRODUCED, "free"))
    assert text == "Figure 4: OAT's curve lies below that of the dedicated networks; 1 of 2 questions undecided"


def test_a_figure_without_a_question_has_its_claims_verdict():
    text = result_sentence(figure("fig2"), {"claims": [claim(10, INCONCLUSIVE, "fig2")]})
    assert text == "Figure 2: “Claim 10” is inconclusive"
    assert result_sentence(figure("fig2"), None) == "Figure 2: Statistics of the last BN layer by λ"
    assert sentence(missing=[1, 2]) == "Figure 4: no network has finished"
    own = [claim(101, NOT_REPRODUCED, "dials"), claim(102, INCONCLUSIVE, "dials")]
    text = result_sentence(figure("dials"), {"claims": [claim(1, REPRODUCED)], "own_claims": own})
    assert text == "Dials without OAT: “Claim 101” is not reproduced; 1 of 2 claims undecided"
    assert result_sentence(figure("dials"), None) == "Dials without OAT: mixed outputs, interpolated weights and BN"
    assert sentence(claim(1, NOT_RUN), title="Figure 4. Trade-off") == "Figure 4: Trade-off"  # own images


def test_alternative_texts_have_the_ends_of_curves_or_the_first_rows():
    rows = [{"method": "PGD-AT", "cells": ["80.0 / 1.0", "–", "70.0 / 50.0"]}, {"method": "OAT", "cells": ["–"] * 3}]
    curves = [{"heading": "digits", "below": "", "lambdas": ["0", "0.5", "1"], "rows": rows}]
    text = alternative_text(figure("fig4", curves=curves))
    assert text.endswith("SA / RA in %, digits: PGD-AT 80.0 / 1.0 at λ = 0 to 70.0 / 50.0 at λ = 1.")
    table = [{"rows": [{"Cloud": "λ = 0", "ratio": "1.57", "empty": "–"}]}]
    assert alternative_text(figure("fig2", summary=table)).endswith(". Cloud λ = 0, ratio 1.57")


# ---- claims as rows


def test_a_row_shows_the_number_that_decides():
    row = claim_rows.claim_row(claim(3, NOT_REPRODUCED))
    assert row["number"]["value"] == "4.00 [3.00, 5.00]" and row["settle"] == ""
    assert claim_rows.claim_row(claim(6, NOT_JUDGED)) == {"number": None, "picture": None, "settle": "at scale paper"}
    assert claim_rows.claim_row(claim(6, NOT_RUN))["settle"] == "run its figures"
    partly = claim(1, NOT_RUN) | {"parts": claim(1, INCONCLUSIVE)["parts"], "missing": [{"on": "SVHN"}] * 2}
    assert claim_rows.claim_row(partly)["settle"] == "run SVHN"


@pytest.mark.parametrize(
    ("settle", "short"),
    [
        (
            "6 seeds would decide with 80 % power: 3 more, about 0.24 hours on cpu",
            "6 seeds (3 more, 0.24 h)",
        ),
        ("6 seeds would decide with 80 % power", "6 seeds"),
        ("more than 200 seeds would be needed: a number is too near the edge", "more than 200 seeds"),
        ("", ""),
    ],
)
def test_what_would_settle_a_claim_is_short(settle, short):
    assert claim_rows.claim_row(claim(3, INCONCLUSIVE, settle=settle))["settle"] == short


def test_the_picture_of_an_interval_is_to_scale():
    picture = claim_rows.picture({"value": 4.0, "low": 3.0, "high": 5.0, "asked_low": None, "asked_high": 1.0})
    places = [picture[name] for name in ("low", "value", "high")]
    assert places[1] - places[0] == pytest.approx(places[2] - places[1], abs=0.2)
    assert picture["region"] == (0, 9) and picture["edges"] == [9]  # 1 is the leftmost number
    both = claim_rows.picture({"value": 0.0, "low": -0.2, "high": 0.2, "asked_low": -1.0, "asked_high": 1.0})
    assert both["region"] == (9, claim_rows.WIDTH - 18) and both["value"] == claim_rows.WIDTH / 2
    assert claim_rows.picture(None) is None and claim_rows.picture({"value": 1, "low": None, "high": 2}) is None


def test_claims_that_were_not_run_come_apart():
    claims = claim_rows.with_rows({"claims": [claim(1, REPRODUCED), claim(2, NOT_RUN), claim(6, NOT_JUDGED)]})
    assert [entry["id"] for entry in claims["shown"]] == [1, 6] and [entry["id"] for entry in claims["not_run"]] == [2]
