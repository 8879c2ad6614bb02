"""Metrics of regressors, each with its interval. All but r2 and mape are in the units of y."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mainspring.measures.arrays import floats, same_length
from mainspring.measures.estimate import Estimate
from mainspring.measures.intervals import mean_interval
from mainspring.measures.latency import quantile_interval
from mainspring.measures.resampling import weighted_bootstrap

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from mainspring.measures.resampling import Weighted


def _pair(y: ArrayLike, value: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    truth, answer = floats(y, "y"), floats(value, "value")
    same_length(y=truth, value=answer)
    return truth, answer


def absolute_errors(y: ArrayLike, value: ArrayLike) -> NDArray[np.float64]:
    """Return each row's absolute error.

    >>> absolute_errors([1.0, 2.0], [2.0, 2.0])
    array([1., 0.])
    """
    truth, answer = _pair(y, value)
    return np.abs(truth - answer)


def relative_errors(y: ArrayLike, value: ArrayLike) -> NDArray[np.float64]:
    """Return each row's absolute error as a share of the truth.

    :raises ValueError: a truth of 0.

    >>> relative_errors([1.0, 2.0], [2.0, 2.0])
    array([1., 0.])
    """
    truth, answer = _pair(y, value)
    zeros = int(np.count_nonzero(truth == 0))
    if zeros:
        raise ValueError(f"relative errors need y without zeros, but {zeros} of {len(truth)} are 0")
    return np.abs((truth - answer) / truth)


def weighted_rmse(y: ArrayLike, value: ArrayLike) -> Weighted:
    """Return the root mean squared error as a function of row weights.

    >>> weighted_rmse([0.0, 0.0], [3.0, 4.0])(np.ones((1, 2))).round(4)
    array([3.5355])
    """
    squares = absolute_errors(y, value) ** 2
    return lambda weights: np.sqrt(weights @ squares / weights.sum(axis=1))


def weighted_r2(y: ArrayLike, value: ArrayLike) -> Weighted:
    """Return the coefficient of determination as a function of row weights.

    >>> weighted_r2([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])(np.ones((1, 3)))
    array([1.])
    """
    truth, answer = _pair(y, value)
    if np.ptp(truth) == 0:
        raise ValueError("r2 is undefined for a constant y")
    squares, centred = (truth - answer) ** 2, truth - truth.mean()

    def explained(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        spread = weights @ centred**2 - (weights @ centred) ** 2 / weights.sum(axis=1)
        lost = weights @ squares
        return np.asarray(1 - np.divide(lost, spread, out=np.full_like(lost, np.nan), where=spread > 0))

    return explained


def mae(y: ArrayLike, value: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Return the mean absolute error, with a t interval.

    >>> print(mae([1.0, 2.0, 3.0, 4.0], [1.5, 2.0, 2.0, 4.0]))
    0.375 [-0.3867, 1.137] n=4
    """
    return mean_interval(absolute_errors(y, value), confidence)


def rmse(y: ArrayLike, value: ArrayLike, *, confidence: float = 0.95, seed: int = 0) -> Estimate:
    """Return the root mean squared error, with a BCa bootstrap.

    >>> rmse([0.0, 0.0], [3.0, 4.0]).value.__round__(4)
    3.5355
    """
    n = len(_pair(y, value)[0])
    return weighted_bootstrap(weighted_rmse(y, value), np.ones(n), confidence=confidence, seed=seed)


def r2(y: ArrayLike, value: ArrayLike, *, confidence: float = 0.95, seed: int = 0) -> Estimate:
    """Return the coefficient of determination, with a BCa bootstrap.

    :raises ValueError: a constant y, or so few rows that a resample of them is constant.

    >>> r2(range(20), [i + (-1) ** i for i in range(20)]).value.__round__(3)
    0.97
    """
    n = len(_pair(y, value)[0])
    return weighted_bootstrap(weighted_r2(y, value), np.ones(n), confidence=confidence, seed=seed)


def mape(y: ArrayLike, value: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Return the mean absolute error as a share of the truth (0.1 is ten percent), with a t interval.

    :raises ValueError: a truth of 0, where it is undefined.

    >>> mape([10.0, 20.0], [11.0, 18.0]).value
    0.1
    """
    return mean_interval(relative_errors(y, value), confidence)


def median_absolute_error(y: ArrayLike, value: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Return the median absolute error, with the exact order-statistic interval.

    >>> print(median_absolute_error([0.0] * 9, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]))
    5 [2, 8] n=9
    """
    return quantile_interval(absolute_errors(y, value), 0.5, confidence)
