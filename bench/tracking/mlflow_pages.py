"""MLflow's command line and server, whose page opens a shared view again when it is reloaded.

MLflow (3.17) writes the filter and order of a shared view into the address, and does not open the view at an address
that holds them: a reload, or the way back from a run's page, would end at MLflow's own columns and charts. A script at
the top of the page removes them first. It also chooses the machine-learning view, which MLflow's own links leave for
that for chat bots, and leaves MLflow's assistant closed, which would take a third of the page.
`python -m bench.tracking.mlflow_pages server …` is `mlflow server …` with this page; uvicorn serves `app`.
"""

import json
from pathlib import Path

import mlflow.server
from mlflow.server import app as flask_app

MLFLOW_APP, OWN_APP = "mlflow.server.fastapi_app:app", "bench.tracking.mlflow_pages:app"
IN_THE_ADDRESS = ("searchFilter", "orderByKey", "orderByAsc", "startTime", "lifecycleFilter", "modelVersionFilter")
IN_THE_ADDRESS += ("datasetsFilter",)
SCRIPT = """<script>
const IN_THE_ADDRESS = FIELDS;
function openSharedView() {
  const [path, query] = location.hash.split("?"), options = new URLSearchParams(query);
  if (!options.has("viewStateShareKey")) return;
  for (const name of IN_THE_ADDRESS) options.delete(name);
  history.replaceState(history.state, "", `${path}?${options}`);
}
openSharedView();
addEventListener("popstate", openSharedView);  // before MLflow's own listener
const AT_THE_FIRST_VISIT = {
  "mlflow.workflowType_v1": "machine_learning",
  "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": true,
};
for (const [setting, value] of Object.entries(AT_THE_FIRST_VISIT))
  if (localStorage.getItem(setting) === null) localStorage.setItem(setting, JSON.stringify(value));
</script>""".replace("FIELDS", json.dumps(IN_THE_ADDRESS))


def page() -> str:
    """MLflow's index.html with the script."""
    html = (Path(flask_app.static_folder) / "index.html").read_text("utf-8")
    return html.replace("<head>", "<head>" + SCRIPT, 1)


def main() -> None:
    """Run MLflow's command line, with `app` in place of its web application."""
    from mlflow.cli import cli

    if build := getattr(mlflow.server, "_build_uvicorn_command", None):  # not in every version
        mlflow.server._build_uvicorn_command = lambda *arguments: [
            OWN_APP if word == MLFLOW_APP else word for word in build(*arguments)
        ]
    cli()


if __name__ == "__main__":
    main()
else:
    from mlflow.server.fastapi_app import app  # noqa: F401

    flask_app.view_functions["serve"] = page
