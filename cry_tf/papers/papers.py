"""The two papers whose tables are reproduced."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cry_hub import registry
from cry_tf.data.dataset import Dataset
from cry_tf.papers import infantcrynet, vggish_paper
from cry_tf.papers.row import Row
from cry_tf.training.recipe import default_name


@dataclass(frozen=True)
class Paper:
    """A paper and its rows.

    Attributes:
        name: What the command calls it.
        citation: For the head of a report.
        setup: What the paper trained and tested on, and what differs here.
        rows: Every row, in the order of the tables.
        titles: Table to what it is about.
        network: Preset of the network that the paper proposes.
        same_label: Label of a data set to the paper's name of it.
        stand_in: A sentence on a network that stands in for it, or "".
    """

    name: str
    citation: str
    setup: str
    rows: tuple[Row, ...]
    titles: Mapping[str, str]
    network: str
    same_label: Mapping[str, str] = field(default_factory=dict)
    stand_in: str = ""


PAPERS = {
    paper.name: paper
    for paper in (
        Paper(
            name="infantcrynet",
            citation="Hong et al., 2024, InfantCryNet, arXiv 2409.19689",
            setup=(
                "The paper: 750 clips for training and 85 for test (detection 6,000 "
                "and 600), one split, by clip. Here: folds, so that every clip is "
                "tested once, and other recordings, since the paper's are private."
            ),
            rows=infantcrynet.ROWS,
            titles=infantcrynet.TITLES,
            network=infantcrynet.NETWORK,
        ),
        Paper(
            name="vggish",
            citation="Infant cry recognition based on deep transfer learning (VGGish)",
            setup=(
                "The paper: 852 clips of ten infants, five folds by clip, so that "
                "every fold tests on infants that it was trained on. Here: the same "
                "folds, and folds by infant, on other recordings, since the paper's "
                "are private."
            ),
            rows=vggish_paper.ROWS,
            titles=vggish_paper.TITLES,
            network=vggish_paper.NETWORK,
            same_label={
                "hungry": "hunger",
                "bored": "boredom",
                "tired": "tiredness",
                "sleepy": "tiredness",
                "uncomfortable": "discomfort",
            },
        ),
    )
}


def get(name: str) -> Paper:
    """Returns the paper of that name.

    Raises:
        ValueError: If there is none; the message lists them.
    """
    if name not in PAPERS:
        raise ValueError(
            f"paper must be one of {', '.join(PAPERS)}. Received: paper={name!r}."
        )
    return PAPERS[name]


def choose(paper: Paper, names: Sequence[str] | None) -> tuple[Row, ...]:
    """Returns the rows of these names, or all for None.

    Raises:
        ValueError: If a name is unknown; the message lists them.
    """
    if names is None:
        return paper.rows
    known = {row.name: row for row in paper.rows}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(
            f"rows must name rows of {paper.name}: {', '.join(known)}. Received: "
            f"{', '.join(unknown) or 'none'}."
        )
    return tuple(row for row in paper.rows if row.name in names)


def in_its_words(paper: Paper, dataset: Dataset) -> Dataset:
    """Returns the clips under the paper's names of their labels."""
    names = {label: paper.same_label.get(label, label) for label in dataset.labels}
    if all(label == name for label, name in names.items()):
        return dataset
    said = ", ".join(f"{old} as {new}" for old, new in names.items() if old != new)
    renamed = dataset.map_labels(lambda label: names[label])
    return renamed.with_notes(f"Labels in the paper's words: {said}.")


def with_own_labels(paper: Paper, labels: Sequence[str]) -> tuple[Row, ...]:
    """Returns the paper's rows, and one for each label that it does not have.

    They stand behind the labels of the paper, in every table that has those.
    """
    rows = list(paper.rows)
    for table in paper.titles:
        shown = [row for row in rows if row.table == table and _label(row)]
        if not shown:
            continue
        known = {_label(row) for row in shown}
        prefix = shown[0].name.removesuffix(_label(shown[0]))
        more = [
            dataclasses.replace(
                shown[0],
                name=f"{prefix}label_{label}",
                title=f"{label} (not in the paper)",
                part=f"label:{label}",
                figures=(),
            )
            for label in labels
            if label not in known
        ]
        behind = rows.index(shown[-1]) + 1
        rows[behind:behind] = more
    return tuple(rows)


def _label(row: Row) -> str:
    """Returns the label that a row is about, "" for none."""
    name, _, label = row.part.partition(":")
    return label if name == "label" else ""


def with_stand_in(paper: Paper, preset: str, recipe: str = "") -> Paper:
    """Returns the paper with another network where its own would be, said loudly.

    For a machine without the paper's weights, or too small for its network: the
    same splits, poolings and tables. Rows about further networks stay theirs.

    Args:
        paper: The paper as published.
        preset: A preset of `cry_hub`.
        recipe: Name of the recipe, or "" for `quick` on pretrained weights and
            `full` on random ones.

    Raises:
        ValueError: If there is no such preset.
    """
    registry.get(preset)

    own = {row.name for row in paper.rows if row.preset == paper.network}

    def replaced(row: Row) -> Row:
        if row.teacher in own:
            title = f"{row.title} [teacher: {preset}]"
            row = dataclasses.replace(row, title=title)
        if row.preset != paper.network or row.classical:
            return row
        title = f"{row.title} [{preset}]"
        chosen = recipe or default_name(row.weights)
        return dataclasses.replace(row, preset=preset, recipe=chosen, title=title)

    sentence = (
        f"NOT THE PAPER'S NETWORK: rows marked with {preset} have {preset} in place of "
        f"{paper.network}, as asked for, or for a teacher. Their figures show nothing "
        "about the paper's network."
    )
    rows = tuple(replaced(row) for row in paper.rows)
    return dataclasses.replace(paper, rows=rows, stand_in=sentence)
