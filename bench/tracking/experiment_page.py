"""The first view of an experiment in MLflow's pages: a saved view, stored as a tag of the experiment, and a note.

MLflow's "share view" stores the state of its run page in the tag `mlflow.sharedViewState.<key>` and opens it with
`?viewStateShareKey=<key>`. The view written here has SA and RA as columns and as charts against 1000·λ.
"""

import json

KEY = "bench"
TAG = f"mlflow.sharedViewState.{KEY}"
COLOURS = {"PGD-AT": "#000000", "OAT (normal BN)": "#0072B2", "OAT (dual BN)": "#d55e00"}  # as in the figures
COLOURS |= {"OAT TRADES (dual BN)": "#009e73", "OAT (dual-affine BN)": "#cc79a7"}
COLOURS |= {"PGD-ATS": "#000000", "OATS (normal BN)": "#0072B2", "OATS (dual BN)": "#d55e00"}
COLUMNS = (
    "metrics.`SA`",
    "metrics.`RA.pgd7`",
    "metrics.`heldout/score`",
    "tags.`figure`",
    "tags.`seed`",
    "params.`lr`",
)


NOTE = """One run per trained network: **[the λ curves of all side by side]({link})**.

`SA` and `RA.<attack>` are test accuracies in percent with *step* = 1000·λ, so that their charts are the curves of
Fig. 8. The run **figures** holds the drawn figures. Tags say which figures use a run, and the commit and hardware it
came from."""


def note(experiment_id: str) -> str:
    """The text at the top of the experiment's page, in Markdown."""
    return NOTE.format(link=link(experiment_id))


def link(experiment_id: str, server: str = "") -> str:
    """The address of an experiment's λ curves on an MLflow server."""
    return f"{server}/#/experiments/{experiment_id}/runs?compareRunsMode=CHART&viewStateShareKey={KEY}"


def view_state() -> str:
    """The value of TAG, in JSON."""
    section = {"uuid": "lam", "name": "Test accuracy (%) by 1000·λ", "display": True, "isGenerated": False}
    return json.dumps(
        {
            "orderByKey": "tags.`mlflow.runName`",
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
            "runsHiddenMode": "SHOWALL",
            "compareRunCharts": [line_chart("sa", "SA"), line_chart("ra", "RA.pgd7")],
            "compareRunSections": [section | {"isReordered": True, "deleted": False}],
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


def line_chart(uuid: str, metric: str) -> dict:
    """Settings of a line chart of one metric over its steps."""
    return {
        "type": "LINE",
        "uuid": uuid,
        "metricSectionId": "lam",
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "displayName": f"{metric} against 1000·λ",
        "runsCountToCompare": 100,
        "deleted": False,
        "isGenerated": False,
        "xAxisKey": "step",
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "selectedXAxisMetricKey": "",
        "useGlobalXaxisKey": False,
        "useGlobalLineSmoothing": False,
        "lineSmoothness": 0,
        "displayPoints": True,
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
    }
