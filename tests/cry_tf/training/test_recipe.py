import pytest

from cry_tf.training import recipe as recipes


def test_pretrained_weights_train_the_head_and_random_ones_everything():
    assert recipes.get(recipes.default_name("pretrained")).trains == "head"
    assert recipes.get(recipes.default_name("yamnet.npz")).trains == "head"
    assert recipes.get(recipes.default_name(None)).trains == "all"


def test_every_recipe_is_found_by_its_name():
    for name, recipe in recipes.RECIPES.items():
        assert recipes.get(name) is recipe
        assert recipe.name == name


def test_an_unknown_recipe_is_told_the_known_ones():
    with pytest.raises(ValueError, match=r"one of quick, full.*recipe='slow'"):
        recipes.get("slow")


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"batch_size": -1},
        {"learning_rate": 0.0},
        {"max_seconds": float("nan")},
        {"dropout": 1.0},
        {"imbalance": "some"},
        {"head": "tree"},
        {"focal_gamma": -1.0},
        {"augment_copies": -1},
        {"mixup": -0.1},
        {"trains": "tail"},
    ],
)
def test_a_number_out_of_range_is_named(change):
    with pytest.raises(ValueError, match=f"{next(iter(change))} must be"):
        recipes.QUICK.replace(**change)


@pytest.mark.parametrize("head", ["svm", "gmm", "logreg", "prototype"])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"trains": "all"}, "on a backbone that stays as it came"),
        ({"imbalance": "focal"}, "one of none, class_weight.*'focal'"),
        ({"mixup": 0.2}, "cannot be given mixed labels"),
    ],
)
def test_what_a_fitted_head_cannot_do_is_said(head, change, sentence):
    assert recipes.QUICK.replace(head=head).is_fitted
    with pytest.raises(ValueError, match=sentence):
        recipes.QUICK.replace(head=head, **change)
