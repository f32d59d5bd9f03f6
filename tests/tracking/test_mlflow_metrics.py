"""Names of the metrics of measurements that must not be taken for one another."""


def test_a_blend_has_metrics_of_its_own():
    """Its α is no λ of the network in whose run it is logged."""
    from bench.tracking.mlflow_metrics import measurement_metrics  # here: MLflow is slow to import

    rows = [{"lam": 0.3, "width": 1, "attack": "pgd7", "n": 10, "clean_correct": 9, "robust_correct": 4}]
    measurement = {"probe": "accuracy", "seed": 0}
    of_network, of_blend = (
        {metric.key: (metric.step, metric.value) for metric in measurement_metrics(entry, 0)}
        for entry in (
            {"measurement": measurement, "rows": rows},
            {"measurement": measurement | {"blend": "logits"}, "rows": rows},
        )
    )
    by_name_of_lambda = {"SA λ 0.3": (0, 90.0), "RA.pgd7 λ 0.3": (0, 40.0)}
    assert of_network == {"SA": (300, 90.0), "RA.pgd7": (300, 40.0)} | by_name_of_lambda
    assert of_blend == {"SA.logits": (300, 90.0), "RA.pgd7.logits": (300, 40.0)}
