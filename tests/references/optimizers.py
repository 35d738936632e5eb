"""LARS, AdamW and clipping for one parameter in float64, from their formulas."""

import math

import numpy as np


def clipped(gradient: np.ndarray, max_norm: float) -> np.ndarray:
    """A gradient scaled to at most a norm, summed value by value; 0: as it is."""
    norm = math.sqrt(math.fsum(float(value) ** 2 for value in gradient.flat))
    if max_norm == 0 or norm <= max_norm:
        return gradient
    return gradient * (max_norm / (norm + 1e-6))


def lars_steps(
    parameter: np.ndarray, gradients: list[np.ndarray], *, lr: float, decay: float
) -> np.ndarray:
    """Momentum 0.9, trust 0.001; one-dimensional parameters are neither decayed nor adapted."""
    velocity = np.zeros_like(parameter)
    for gradient in gradients:
        direction = gradient
        if parameter.ndim > 1:
            direction = gradient + decay * parameter
            length, step_length = np.linalg.norm(parameter), np.linalg.norm(direction)
            if length > 0 and step_length > 0:
                direction = direction * 0.001 * length / step_length
        velocity = 0.9 * velocity + direction
        parameter = parameter - lr * velocity
    return parameter


def adamw_steps(
    parameter: np.ndarray, gradients: list[np.ndarray], *, lr: float, decay: float
) -> np.ndarray:
    """Betas 0.9 and 0.999, epsilon 1e-8; decay apart from the gradient."""
    mean, square = np.zeros_like(parameter), np.zeros_like(parameter)
    for step, gradient in enumerate(gradients, start=1):
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        size = np.sqrt(square / (1 - 0.999**step)) + 1e-8
        parameter = parameter * (1 - lr * decay) - lr * mean / (1 - 0.9**step) / size
    return parameter
