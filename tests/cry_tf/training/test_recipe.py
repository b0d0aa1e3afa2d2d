import json

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


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_recipe_is_the_same_after_json(name):
    recipe = recipes.get(name)
    assert recipes.Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_a_field_that_is_not_known_is_named():
    with pytest.raises(ValueError, match="momentum, which it does not know"):
        recipes.Recipe.from_dict({**recipes.QUICK.to_dict(), "momentum": 0.9})


def test_the_recipes_of_the_papers_say_what_the_papers_say():
    vggish, infantcrynet = recipes.get("vggish"), recipes.get("infantcrynet")
    assert (vggish.pre_emphasis, vggish.z_score) == (0.97, True)
    assert (vggish.learning_rate, vggish.epochs) == (1e-4, 30)
    assert (vggish.beta_1, vggish.beta_2, vggish.dropout) == (0.9, 0.999, 0.0)
    assert (infantcrynet.batch_size, infantcrynet.micro_batch) == (256, "auto")
    assert {r.trains for r in (vggish, infantcrynet)} == {"all"}


def test_finetune_goes_from_the_head_to_every_layer_ever_slower():
    stages = recipes.FINE_TUNE.stages
    assert [stage.trains for stage in stages] == ["head", "last", "all"]
    rates = [stage.learning_rate for stage in stages]
    assert rates == sorted(rates, reverse=True)
    assert all(stage.patience for stage in stages)
    assert recipes.FINE_TUNE.replace(epochs=3).stages[-1].epochs == 3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"patience": 3, "validation": 0.0}, "validation must be above 0"),
        ({"micro_batch": 5}, "divides batch_size=32.*micro_batch=5"),
        ({"micro_batch": "some"}, "micro_batch must be auto"),
        ({"before": recipes.FINE_TUNE.before[::-1]}, "from the head to every layer"),
        ({"trains": "head"}, "stages that lead up to training every layer"),
    ],
)
def test_stages_that_cannot_work_are_refused(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        recipes.FINE_TUNE.replace(**change)
