import dataclasses

import pytest

from cry_tf.papers import papers
from cry_tf.studies.reproduce import budget
from cry_tf.studies.reproduce.budget import BUDGETS, budget_sentence, settings_for

ROWS = {
    (name, row.name): row for name, paper in papers.PAPERS.items() for row in paper.rows
}


def test_a_full_budget_is_the_papers_recipe_and_says_nothing():
    row = ROWS["vggish", "mean"]
    settings = settings_for(row, BUDGETS["full"], seed=3)
    recipe = settings.recipe
    # Section 3.3: Adam, learning rate 0.0001, 30 epochs, every layer, 5 folds.
    assert (recipe.learning_rate, recipe.epochs, recipe.trains) == (1e-4, 30, "all")
    # Section 2.2: "after pre-emphasis and z-score normalization".
    assert recipe.pre_emphasis > 0
    assert recipe.z_score
    assert (settings.folds, settings.seed, settings.weights) == (5, 3, "pretrained")
    assert budget_sentence(row, BUDGETS["full"]) == ""


def test_a_small_budget_says_what_it_left_out():
    row = ROWS["vggish", "fold_1"]
    settings = settings_for(row, BUDGETS["small"], seed=0)
    assert settings.recipe.epochs == 3
    # Table 2 lists five folds.
    assert settings.folds == 5
    sentence = budget_sentence(row, BUDGETS["small"])
    assert "small budget, recipe vggish: 3 of 30 epochs" in sentence
    row = ROWS["infantcrynet", "cnn14"]
    assert settings_for(row, BUDGETS["small"], 0).folds == 3
    assert "3 of 5 folds" in budget_sentence(row, BUDGETS["small"])


def test_a_tiny_budget_and_a_precision_are_told_too():
    row = ROWS["infantcrynet", "scratch_ds_cnn_m_distilled"]
    half = dataclasses.replace(BUDGETS["tiny"], precision="bfloat16")
    recipe = settings_for(row, half, 0).recipe
    assert (recipe.name, recipe.batch_size, recipe.precision) == (
        "distill",
        16,
        "bfloat16",
    )
    sentence = budget_sentence(row, half)
    assert "16 clips a step, not 32" in sentence
    assert "computed in bfloat16" in sentence
    # A head alone is not trained in bfloat16.
    row = dataclasses.replace(ROWS["vggish", "mean"], recipe="quick")
    assert settings_for(row, half, 0).recipe.precision == "float32"


def test_what_is_trained_does_not_depend_on_what_the_budget_does_not_limit():
    row = ROWS["infantcrynet", "max"]
    full = settings_for(row, BUDGETS["full"], 0).recipe
    small = settings_for(row, BUDGETS["small"], 0).recipe
    same = small.replace(epochs=full.epochs, max_seconds=full.max_seconds)
    assert same == full


def test_an_unknown_budget_is_one_sentence():
    with pytest.raises(ValueError, match="tiny, small, full"):
        budget.get("huge")
