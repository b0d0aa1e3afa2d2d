"""Which worker of a cluster this process is, as `TF_CONFIG` says."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Literal, get_args

StrategyName = Literal["auto", "mirrored", "multiworker", "none"]
STRATEGIES: tuple[str, ...] = get_args(StrategyName)

_EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


@dataclass(frozen=True)
class Cluster:
    """The workers that train together, and which of them this process is.

    Attributes:
        workers: How many there are, the chief among them; 1 without a cluster.
        worker: Number of this one, from 0. Worker 0 is the chief, who writes.
    """

    workers: int = 1
    worker: int = 0

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the results."""
        return self.worker == 0

    @classmethod
    def of_environment(cls) -> Cluster:
        """Reads the environment variable `TF_CONFIG`.

        Raises:
            ValueError: If it is set and does not name this process as a worker.
        """
        text = os.environ.get("TF_CONFIG", "").strip()
        if not text:
            return cls()
        try:
            config = json.loads(text)
            jobs = config.get("cluster", {})
            if not jobs:
                return cls()
            chiefs, workers = len(jobs.get("chief", ())), len(jobs.get("worker", ()))
            kind, index = config["task"]["type"], int(config["task"]["index"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"TF_CONFIG must be JSON such as {_EXAMPLE}. Received: {text!r} "
                f"({error!r})."
            ) from error
        of_kind = {"chief": chiefs, "worker": workers}.get(kind, 0)
        if not 0 <= index < of_kind:
            raise ValueError(
                "The task of TF_CONFIG must be one of its chief and workers. "
                f"Received: type={kind!r}, index={index}, with {chiefs} chief and "
                f"{workers} workers."
            )
        return cls(chiefs + workers, index if kind == "chief" else chiefs + index)
