"""What the adjustment of λ costs: ratios by hand, and verdicts on both sides of the limit."""

import numpy as np
import pandas as pd
import pytest

from reports.claims.adjustment_predicates import SwitchingCost, TrainingCost, switching_cost, training_cost
from reports.claims.verdict_rule import NOT_REPRODUCED, REPRODUCED, all_hold, verdicts
from reports.load.panels import POINT_COLUMNS, Panel
from reports.statistics.contrasts import MissingNetworks

OAT, S1 = "OAT (dual BN)", [0.0, 0.1, 0.2, 0.3, 0.4, 1.0]
TRAINING, SWITCHING = TrainingCost(label=OAT, lambdas=S1, at_most=1), SwitchingCost(label=OAT, at_most=1)


def panel(oat_macs: float = 7.0, oat_seconds: float = 70.0, switched: float = 6.0, seeds: int = 2) -> Panel:
    """PGD-AT costs 1 MAC at λ = 0 and 2 at each other λ, 11 in all, and ten times as many seconds plus the seed."""
    trials, rows = [], []
    for seed in range(seeds):
        for lam in [np.nan, *S1]:
            label = OAT if np.isnan(lam) else "PGD-AT"
            macs, seconds = (oat_macs, oat_seconds) if label == OAT else (1 + (lam > 0), 10.0 * (1 + (lam > 0)))
            key = f"{label}-{seed}-{lam:g}"
            trials.append({"key": key, "name": key, "label": label, "lam": lam, "seed": seed, "status": "done"})
            trials[-1] |= {"macs_training": macs, "train_seconds": seconds + seed, "drawn": True, "url": ""}
            row = {"label": label, "seed": seed, "key": key, "width": 1.0, "batch": 64, "milliseconds": 4.0}
            rows.append(row | {"switched_milliseconds": switched if label == OAT else np.nan})
    empty = pd.DataFrame(columns=POINT_COLUMNS)
    return Panel("digits", "wrn-10-1", ("cifar10",), {}, trials=pd.DataFrame(trials), points=empty, probes=rows)


def decided(conditions) -> str:
    return all_hold(verdicts(conditions))


def test_one_training_over_the_six_together():
    conditions = training_cost(panel(), TRAINING)
    assert [condition.estimate.value for condition in conditions] == pytest.approx([7 / 11, (70 / 110 + 71 / 116) / 2])
    assert conditions[1].estimate.bounds(0.95) == pytest.approx((71 / 116, 70 / 110))  # the seeds' own ratios
    assert decided(conditions) == REPRODUCED and len(conditions[0].estimate.keys) == 14
    assert decided(training_cost(panel(oat_macs=12), TRAINING)) == NOT_REPRODUCED
    assert decided(training_cost(panel(oat_seconds=150), TRAINING)) == NOT_REPRODUCED


def test_networks_that_lost_their_grid_of_learning_rates_do_not_count():
    with_loser = panel()
    loser = with_loser.trials.iloc[[0]].assign(key="loser", macs_training=900.0, drawn=False)
    with_loser.trials.loc[len(with_loser.trials)] = loser.iloc[0]
    assert training_cost(with_loser, TRAINING)[0].estimate.value == pytest.approx(7 / 11)


def test_a_missing_lambda_is_no_cheaper_frontier():
    lacking = panel(seeds=1)
    lacking.trials.loc[lacking.trials.lam == 0.3, "drawn"] = False
    with pytest.raises(MissingNetworks, match="PGD-AT at each of 6 λ"):
        training_cost(lacking, TRAINING)


def test_a_switch_is_what_the_batch_takes_longer():
    (condition,) = switching_cost(panel(switched=6.0), SWITCHING)
    assert condition.estimate.value == pytest.approx((6 - 4) / 4) and decided([condition]) == REPRODUCED
    assert decided(switching_cost(panel(switched=9.0), SWITCHING)) == NOT_REPRODUCED
    with pytest.raises(MissingNetworks):
        switching_cost(panel(switched=np.nan), SWITCHING)
