from bench.spec.short_names import short_names


def network(key: str, name: str, **recipe) -> dict:
    return {"key": key, "name": name, "recipe": recipe}


def test_what_all_networks_share_is_said_once():
    networks = [
        network("a", "oat-dual S2 · digits pooled 2×2 · wrn-10-1 · lr 0.1 · seed 0", lr=0.1, method="oat"),
        network("b", "pgd-at λ=1 · digits pooled 2×2 · wrn-10-1 · lr 0.05 · seed 1", lr=0.05, method="pgd_at"),
    ]
    names, shared = short_names(networks)
    assert shared == "digits pooled 2×2 · wrn-10-1"
    assert names == {"a": "oat-dual S2 · lr 0.1 · seed 0", "b": "pgd-at λ=1 · lr 0.05 · seed 1"}


def test_seeds_and_methods_stay_although_all_share_them():
    networks = [network(key, "oat-dual · digits · seed 0", data_hash=key, seed=0) for key in "ab"]
    names, shared = short_names(networks)
    assert shared == "digits"
    assert names == {"a": "oat-dual · data hash a · seed 0", "b": "oat-dual · data hash b · seed 0"}


def test_networks_of_one_name_get_the_fields_in_which_they_differ():
    shared = {"method": "oat", "lr": 0.1}
    networks = [
        network("a", "oats-dual · digits · seed 0", epochs=10, widths=[0.5, 0.75, 1.0], **shared),
        network("b", "oats-dual · digits · seed 0", epochs=11, widths=[0.25, 1.0], **shared),
        network("c", "oats-dual · digits · seed 1", epochs=11, widths=[0.25, 1.0], **shared),
    ]
    names, _ = short_names(networks)
    assert names["a"] == "oats-dual · epochs 10 · widths 0.5, 0.75, 1 · seed 0"
    assert names["b"] == "oats-dual · epochs 11 · widths 0.25, 1 · seed 0"
    assert names["c"] == "oats-dual · epochs 11 · widths 0.25, 1 · seed 1"


def test_one_network_keeps_its_whole_name_and_none_gives_none():
    assert short_names([network("a", "oat-dual · digits · seed 0")]) == ({"a": "oat-dual · digits · seed 0"}, "")
    assert short_names([]) == ({}, "")
