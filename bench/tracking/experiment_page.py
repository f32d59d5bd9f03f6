"""The first view of an experiment in MLflow's pages: a saved view, stored as a tag of the experiment, and a note.

MLflow's "share view" stores the state of its run page in the tag `mlflow.sharedViewState.<key>` and opens it with
`?viewStateShareKey=<key>`. The view written here has the curves as charts, and SA and RA at named λ as columns. Imports
no MLflow.
"""

import json
from typing import TYPE_CHECKING

from bench.tracking.curves import at_lambda

if TYPE_CHECKING:
    from mlflow.entities import Run

KEY = "bench"
TAG = f"mlflow.sharedViewState.{KEY}"
KIND = "custom_model_development"  # of an experiment, not for chat bots
WORKFLOW = "workflowType=machine_learning"  # without it, MLflow opens its pages for chat bots
ATTACK = "RA.pgd7"  # the paper's, in the first view
SHOWN_LAMBDAS = (0.0, 0.2, 1.0)
COLUMNS = [f"metrics.`{at_lambda(metric, lam)}`" for lam in SHOWN_LAMBDAS for metric in ("SA", ATTACK)]
COLUMNS += ["attributes.`Duration`", "tags.`figure`", "tags.`seed`"]
SECTION = "Test accuracy (%)"
FOLDED_SECTIONS = ("train", "heldout", "cost", "Model metrics")  # MLflow adds a chart of each metric to these


NOTE = """**[SA and RA of all methods by λ]({link})**{figures}

A run per method: means over its seeds, whose runs are nested under it. `SA` and `RA.<attack>` are test accuracies in
percent with *step* = 1000·λ, so that their charts are the curves of Fig. 8; RA against SA is Fig. 4. `SA λ 0.2` is the
point at λ = 0.2. Tags say which figures use a run, and the commit and hardware it came from."""


def note(experiment_id: str, figures_run: "Run | None" = None) -> str:
    """The text at the top of the experiment's page, in Markdown."""
    figures = ""
    if figures_run:
        figures = f" · [report]({artifact(figures_run, 'report/index.html')}) · {figure_links(figures_run)}"
    return NOTE.format(link=link(experiment_id), figures=figures)


def curve_note(seeds: str, figures: str, figures_run: "Run | None") -> str:
    """The description of a curve's run, in Markdown. seeds, figures: words, such as `0 1 2` and `fig4 fig8`."""
    mean = f"Mean over seeds {', '.join(seeds.split())}" if " " in seeds else f"Seed {seeds}"
    links = figure_links(figures_run, figures) if figures_run else ""
    return f"{mean}, at *step* = 1000·λ." + (f" Drawn in {links}." if links else "")


def figure_links(figures_run: "Run", only: str | None = None) -> str:
    """Markdown links to the drawn figures. only: the names to link to; None: all."""
    names = figures_run.data.tags.get("figure", "").split()
    chosen = [name for name in names if only is None or name in only.split()]
    return ", ".join(f"[{name}]({artifact(figures_run, f'figures/{name}.png')})" for name in chosen)


def artifact(run: "Run", path: str) -> str:
    """The address of a run's artifact in MLflow's pages."""
    return f"/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}/artifacts/{path}?{WORKFLOW}"


def link(experiment_id: str, server: str = "") -> str:
    """The address of an experiment's λ curves on an MLflow server."""
    return f"{server}/#/experiments/{experiment_id}/runs?compareRunsMode=CHART&{WORKFLOW}&viewStateShareKey={KEY}"


def view_state() -> str:
    """The value of TAG, in JSON."""
    sections = [section("lam", SECTION, True), *(section(name, name, False) for name in FOLDED_SECTIONS)]
    charts = [
        line_chart("frontier", ATTACK, "SA"),
        line_chart("sa", "SA"),
        line_chart("ra", ATTACK),
    ]
    return json.dumps(
        {
            "orderByKey": "attributes.start_time",  # the only order in which MLflow nests runs; curves start first
            "orderByAsc": True,
            "searchFilter": "tags.method != 'report'",
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "modelVersionFilter": "All Runs",
            "datasetsFilter": [],
            "selectedColumns": COLUMNS,
            "runsPinned": [],
            "runsHidden": [],
            "runsExpanded": {},
            "runsHiddenMode": "SHOW_ALL",
            "compareRunCharts": charts,
            "compareRunSections": sections,
            "isAccordionReordered": True,
            "groupBy": None,
            "groupsExpanded": {},
            "autoRefreshEnabled": True,
            "useGroupedValuesInCharts": True,
            "hideEmptyCharts": True,
            "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
            "chartsSearchFilter": "",
        },
        ensure_ascii=False,
    )


def section(uuid: str, name: str, display: bool) -> dict:
    """Settings of a section of charts, folded unless `display`."""
    fixed = {"isGenerated": False, "isReordered": True, "deleted": False}
    return {"uuid": uuid, "name": name, "display": display} | fixed


def line_chart(uuid: str, metric: str, x_metric: str = "") -> dict:
    """Settings of a line chart of a metric over its steps or, if given, over another metric's value at the step."""
    return {
        "type": "LINE",
        "uuid": uuid,
        "metricSectionId": "lam",
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "runsCountToCompare": 100,
        "deleted": False,
        "isGenerated": False,
        "xAxisKey": "metric" if x_metric else "step",
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "selectedXAxisMetricKey": x_metric,
        "useGlobalXaxisKey": False,
        "useGlobalLineSmoothing": False,
        "lineSmoothness": 0,
        "displayPoints": True,
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
    }
