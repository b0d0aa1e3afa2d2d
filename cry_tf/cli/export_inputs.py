"""The inputs of `cry-tf export`: a run or a model, and clips to compare on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cry_export.quantization_recipe import RECIPES

if TYPE_CHECKING:
    from cry_tf.data.dataset import Dataset
    from cry_tf.runs.run_folder import RunFolder


def find_model(path: str) -> tuple[Path, RunFolder | None]:
    """Returns the `.keras` file, and the run folder around it if there is one."""
    from cry_tf.runs.run_folder import RunFolder

    if path.endswith(".keras"):
        if not Path(path).is_file():
            raise FileNotFoundError(f"File not found: {path}.")
        return Path(path), None
    found = RunFolder.open(path)
    return found.model_path, found


def check_clips(
    args: argparse.Namespace, run_folder: RunFolder | None
) -> tuple[Dataset, str]:
    """Returns the clips to compare on, and a description of them."""
    from cry_tf import exporting

    if args.check is not None:
        from cry_tf.data import load

        return load(args.check), ", ".join(args.check)
    if run_folder is None:
        raise ValueError(
            "A .keras file does not record its training clips. Give clips to compare "
            "on with --check DATA, or give the run folder instead of the file."
        )
    return exporting.run_clips(run_folder), "its training data"


def representative_clips(
    args: argparse.Namespace, run_folder: RunFolder | None
) -> Dataset | None:
    """Returns the clips that int8 measures its ranges on; None for other recipes."""
    from cry_tf import exporting

    if not RECIPES[args.quantize].needs_representative:
        return None
    if args.representative is not None:
        from cry_tf.data import load

        return load(args.representative)
    if run_folder is None:
        raise ValueError(
            "A .keras file does not record its training clips, and int8 measures the "
            "ranges of activations on them. Give them with --representative DATA, or "
            "give the run folder instead of the file."
        )
    return exporting.run_clips(run_folder)


def load_model(path: Path) -> Any:
    """Returns the model in a `.keras` file.

    Raises:
        ValueError: If cry-tf did not write it, or it cannot be read.
    """
    import keras

    import cry_tf.models  # noqa: F401  (registers the classes)

    try:
        return keras.saving.load_model(path, compile=False)
    except (ValueError, TypeError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{path} must be a model that cry-tf wrote. It cannot be read: {reason}"
        ) from error
