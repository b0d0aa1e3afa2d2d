import types

import keras
import pytest

import cry_hub
from cry_tf.models import CryClassifier
from cry_tf.training.recipe import Stage
from cry_tf.training.staged_trainer import LayerGroups


@pytest.fixture(scope="module")
def model():
    backbone = cry_hub.load("ds_cnn_s", weights=None)
    return CryClassifier(backbone, labels=("a", "b"))


def stage(trains):
    return Stage(trains=trains, epochs=1, learning_rate=0.1)


def test_every_layer_is_in_one_group_in_the_order_of_the_network(model):
    groups = LayerGroups(model).groups
    names = [layer.name for group in groups for layer in group]
    with_weights = [la.name for la in model.backbone.layers if la.trainable_weights]
    assert names == with_weights
    assert len(groups) == 4
    # Batch norm stays with the layer before it.
    assert not any("_bn" in group[0].name for group in groups)


def test_a_stage_thaws_what_it_trains_and_nothing_else(model):
    groups = LayerGroups(model)
    head = [id(v) for v in model.trainable_variables if v.path.startswith("logits")]
    counts = []
    for trains in ("head", "last", "all"):
        groups.unfreeze(stage(trains))
        trained = {id(v) for v in model.trainable_variables}
        assert set(head) <= trained
        counts.append(
            [
                all(id(v) in trained for la in g for v in la.trainable_variables)
                and any(la.trainable for la in g)
                for g in groups.groups
            ]
        )
    assert counts == [[False] * 4, [False] * 3 + [True], [True] * 4]


def test_deeper_layers_have_a_smaller_share_of_the_rate(model):
    groups = LayerGroups(model)
    groups.unfreeze(stage("all"))
    variables = model.trainable_variables
    factors = dict(
        zip([v.path for v in variables], groups.factors(variables, 0.5), strict=True)
    )
    assert factors[model.get_layer("logits").kernel.path] == 1
    for number, group in enumerate(groups.groups):
        assert factors[group[0].trainable_variables[0].path] == 0.5 ** (4 - number)


def test_a_backbone_with_too_few_layers_is_refused():
    inputs = keras.Input((4,))
    small = keras.Model(inputs, keras.layers.Dense(2)(inputs), name="small")
    with pytest.raises(ValueError, match="at least 4 layers.*small, which has 1"):
        LayerGroups(types.SimpleNamespace(backbone=small))
