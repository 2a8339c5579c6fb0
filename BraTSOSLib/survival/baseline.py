"""The plain models that every other result stands beside: age and resection, ridge and logistic regression."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from .categories import CATEGORIES, class_indices
from .scaling import softmax


def ridge_log_days(train: np.ndarray, days: np.ndarray, test: np.ndarray, penalty: float = 1.0) -> np.ndarray:
    """Return the predicted days, shape (m,), of ridge regression on log-days.

    ``train`` (n, p) and ``test`` (m, p) are standardised; the intercept is not penalised.
    """
    target = np.log(days)
    gram = train.T @ train + penalty * np.eye(train.shape[1])
    centred = train.mean(axis=0)
    slope = np.linalg.solve(gram - len(train) * np.outer(centred, centred), train.T @ (target - target.mean()))
    return np.exp(target.mean() + (test - centred) @ slope)


def logistic_probabilities(train: np.ndarray, days: np.ndarray, test: np.ndarray, penalty: float = 1.0) -> np.ndarray:
    """Return the class probabilities, shape (m, 3), of multinomial logistic regression with an L2 penalty.

    ``penalty`` is the inverse of scikit-learn's ``C``; the intercept is not penalised.
    """
    count = len(CATEGORIES)
    truth = np.eye(count)[class_indices(days)]
    width = train.shape[1]

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights, intercept = flat[: width * count].reshape(width, count), flat[width * count :]
        probabilities = softmax(train @ weights + intercept)
        loss = -np.log(np.clip((probabilities * truth).sum(axis=1), 1e-300, None)).sum()
        residual = probabilities - truth
        gradient = np.concatenate([(train.T @ residual + penalty * weights).ravel(), residual.sum(axis=0)])
        return loss + 0.5 * penalty * float((weights**2).sum()), gradient

    fitted = minimize(objective, np.zeros((width + 1) * count), jac=True, method="L-BFGS-B").x
    return softmax(test @ fitted[: width * count].reshape(width, count) + fitted[width * count :])


def class_mean_days(days: np.ndarray) -> np.ndarray:
    """Return the mean survival, shape (3,), of the training patients of each category, in days."""
    classes = class_indices(days)
    return np.array([days[classes == index].mean() for index in range(len(CATEGORIES))])
