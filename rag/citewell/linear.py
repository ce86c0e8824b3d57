"""Linear models as data: named features, their scaling and weights, read from a JSON file of the package."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class LinearModel:
    """A fitted linear model.

    Attributes:
        features: names of the columns, in order.
        mean: mean of each column on the fitting data, shape (n,).
        scale: standard deviation of each column there, shape (n,).
        weights: weight of each scaled column, shape (n,).
        bias: constant term.
    """

    features: tuple[str, ...]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: float

    def decision(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the logit of each row, shape (m,), for rows of shape (m, n)."""
        scores: NDArray[np.float64] = ((rows - self.mean) / self.scale) @ self.weights + self.bias
        return scores


def load_model(name: str) -> LinearModel:
    """Returns the model stored in `data/<name>.json`."""
    stored = json.loads(resources.files("citewell").joinpath("data", f"{name}.json").read_text("utf-8"))
    return LinearModel(
        features=tuple(stored["features"]),
        mean=np.array(stored["mean"]),
        scale=np.array(stored["scale"]),
        weights=np.array(stored["weights"]),
        bias=float(stored["bias"]),
    )


def sigmoid(logit: float) -> float:
    """Returns 1 / (1 + exp(-logit)) without overflow."""
    return float(0.5 * (1.0 + np.tanh(0.5 * logit)))
