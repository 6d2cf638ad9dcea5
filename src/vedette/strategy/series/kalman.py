"""A local level with a slope, a season and a part that dies away, followed by Kalman's filter.

x_t = level_t + passing_t + sum_j (a_j cos + b_j sin)(2 pi j t/period) + noise, where the level moves by the slope and by
chance, the slope and the season by chance, and the passing part is autoregressive. Variances are in units of one that is
estimated from the errors; which they are is chosen by likelihood on the reference, among ``MODELS``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["MODELS", "Filter", "Model", "choose", "harmonics", "observe", "start", "steps_since", "unsettled"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_DAY_S = 86400.0
_WAVES = ((_DAY_S, 1), (_DAY_S, 2), (_DAY_S, 3), (7 * _DAY_S, 1), (7 * _DAY_S, 2))
N_STATES = 3 + 2 * len(_WAVES)
_FAR = 25.0  # prior variance of level, slope x 100 and waves, in squares of the reference's spread
_GAP_MAX = 1000.0  # steps: after a longer gap nothing more is forgotten
_ROBUST = 4.0  # standard deviations from which on an error moves the state no further


class Model(NamedTuple):
    """Variances of a step: of the level, the slope, the season, the passing part and its memory, and of the noise."""

    level: float
    slope: float
    season: float
    passing: float
    memory: float
    noise: float


MODELS = (
    *(Model(q, 0.0, 1e-6, 0.0, 0.0, 1.0) for q in (0.0, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)),
    Model(0.01, 1e-4, 1e-6, 0.0, 0.0, 1.0),
    Model(0.3, 1e-3, 1e-6, 0.0, 0.0, 1.0),
    *(Model(1e-6, 0.0, 1e-6, 1.0, phi, 1e-3) for phi in (0.3, 0.5, 0.65, 0.8, 0.9, 0.95)),
    *(Model(1e-6, 0.0, 1e-6, 0.2, phi, 1.0) for phi in (0.8, 0.9)),
)
"""What is chosen from: levels that stay, drift or run, two with a slope, and autoregressions without and with noise.

None remembers longer than .95: a walk would be taken for one, and its way from the middle for a shift.
"""


@dataclass(frozen=True, slots=True)
class Filter:
    """The filter of K series: ``mean`` [K, D], ``cov`` [K, D, D], the ``model`` [K, 6], ``last`` time and ``step_s`` [K]."""

    mean: Floats
    cov: Floats
    model: Floats
    last: Floats
    step_s: Floats


def start(models: Floats, step_s: Floats, span_s: Floats) -> Filter:
    """A filter that has seen nothing: ``models`` [K, 6]; ``span_s`` [K] is how long the reference lasts.

    A wave takes part where the reference has two of its periods, and four steps or more in each.
    """
    k = len(models)
    prior = np.zeros((k, N_STATES))
    prior[:, 0], prior[:, 1] = _FAR, np.where(models[:, 1] > 0.0, 0.01 * _FAR, 0.0)
    prior[:, 2] = models[:, 3] / np.maximum(1.0 - models[:, 4] ** 2, 1e-3)
    for number, (period, times) in enumerate(_WAVES):
        used = (span_s >= 2.0 * period) & (step_s * 4.0 * times <= period)
        prior[:, 3 + 2 * number : 5 + 2 * number] = np.where(used, _FAR, 0.0)[:, None]
    cov = np.zeros((k, N_STATES, N_STATES))
    cov[:, np.arange(N_STATES), np.arange(N_STATES)] = prior
    return Filter(np.zeros((k, N_STATES)), cov, models.copy(), np.full(k, np.nan), step_s.copy())


def unsettled(own: Filter, rows: Ints) -> Filter:
    """The filter that knows no longer where the level of some series is."""
    cov = own.cov.copy()
    cov[rows, 0, 0] += _FAR
    return replace(own, cov=cov)


def harmonics(time: Floats) -> Floats:
    """What the states are seen by at times [K]: [K, D], level and passing part 1, slope 0, waves by their phase."""
    out = np.zeros((len(time), N_STATES))
    out[:, 0] = out[:, 2] = 1.0
    for number, (period, times) in enumerate(_WAVES):
        angle = (2.0 * np.pi * times / period) * np.mod(time, period)
        out[:, 3 + 2 * number], out[:, 4 + 2 * number] = np.cos(angle), np.sin(angle)
    return out


def steps_since(own: Filter, time: Floats) -> Floats:
    """Steps since the last time of each series [K], 0 at the first, at most 1,000."""
    gone = np.where(np.isnan(own.last), 0.0, (time - own.last) / own.step_s)
    return np.clip(gone, 0.0, _GAP_MAX)


def observe(own: Filter, x: Floats, time: Floats, *, scale: Floats | None = None) -> tuple[Floats, Floats]:
    """What is expected of numbers ``x`` [K] and its variance, both [K], and takes them into a filter of one's own.

    Where x is NaN, time passes and nothing is learnt. ``scale`` [K]: an error beyond 4 standard deviations of that unit
    counts as 4; None: errors count as they are.

    Source: Durbin and Koopman (2012), "Time series analysis by state space methods", section 4.3; Harvey (1989) for the
    structural model.
    """
    gone = steps_since(own, time)
    level, slope, season, passing, memory, noise = own.model.T
    mean, cov = own.mean, own.cov
    fade = np.where(memory > 0.0, memory, 0.0) ** gone
    mean[:, 0] += gone * mean[:, 1]
    mean[:, 2] *= fade
    cov[:, 0, :] += gone[:, None] * cov[:, 1, :]
    cov[:, :, 0] += gone[:, None] * cov[:, :, 1]
    cov[:, 2, :] *= fade[:, None]
    cov[:, :, 2] *= fade[:, None]
    cov[:, 0, 0] += gone * level + slope * gone**2 * np.maximum(gone - 1.0, 0.0) / 3.0
    cov[:, 1, 1] += gone * slope
    cov[:, 2, 2] += passing * (1.0 - fade**2) / np.maximum(1.0 - memory**2, 1e-9)
    waves = np.arange(3, N_STATES)
    diagonal = cov[:, waves, waves]
    cov[:, waves, waves] = diagonal + np.where(diagonal > 0.0, (gone * season)[:, None], 0.0)
    seen = harmonics(time)
    ph = np.einsum("kij,kj->ki", cov, seen)
    variance = (ph * seen).sum(axis=1) + noise
    expected = (mean * seen).sum(axis=1)
    error = x - expected
    if scale is not None:
        limit = _ROBUST * scale * np.sqrt(variance)
        error = np.clip(error, -limit, limit)
    gain = np.where(np.isnan(error), 0.0, 1.0)[:, None] * ph / variance[:, None]
    mean += gain * np.nan_to_num(error)[:, None]
    cov -= gain[:, :, None] * ph[:, None, :]
    cov += np.swapaxes(cov, 1, 2).copy()
    cov *= 0.5
    own.last[:] = time
    return expected, variance


def choose(past: Floats, times: Floats, step_s: Floats, span_s: Floats) -> Floats:
    """The models [K, 6] that are likeliest of a reference ``past`` [n, K] at ``times`` [n, K], their unit concentrated out.

    -1/2 sum ln F_t - n/2 ln(mean e_t^2/F_t), e_t the errors and F_t their variances, without those while the prior is felt
    (the first fifth).
    """
    n, k = past.shape
    m = len(MODELS)
    models = np.repeat(np.asarray(MODELS)[None], k, axis=0).reshape(k * m, 6)
    own = start(models, np.repeat(step_s, m), np.repeat(span_s, m))
    logs, squares, count = np.zeros(k * m), np.zeros(k * m), np.zeros(k * m)
    first = np.repeat(np.isfinite(past).sum(axis=0) // 5, m)
    seen = np.zeros(k * m, dtype=np.int64)
    for row in range(n):
        x = np.repeat(past[row], m)
        expected, variance = observe(own, x, np.repeat(times[row], m))
        told = ~np.isnan(x)
        seen += told
        told &= seen > first
        logs += np.where(told, np.log(variance), 0.0)
        squares += np.where(told, (np.nan_to_num(x) - expected) ** 2 / variance, 0.0)
        count += told
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = np.maximum(squares / np.maximum(count, 1.0), 1e-12)
        likelihood = -0.5 * logs - 0.5 * count * np.log(unit)
    best = np.argmax(likelihood.reshape(k, m), axis=1)
    out: Floats = np.asarray(MODELS)[best]
    return out
