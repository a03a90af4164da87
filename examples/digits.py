"""Train a softmax classifier, then a small neural network, on real handwritten digits.

The data are the 1,797 8 x 8 images that ship inside scikit-learn. The program prints how long the
functions took to compile, how long a step takes and how much memory a step plans; it draws the
learning curves, saves the trained functions, and, unless told not to, builds the C++ program in
``cpp_consumer/`` and lets it score the same test set and train on, without Python.

    python examples/digits.py [--epochs 40] [--no-cpp] [--output examples/output]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import phintys
import phintys.tensor as T
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

BATCH = 32


def load_data(dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pixels scaled to [0, 1] and labels: training and test parts (X, y, X_test, y_test)."""
    digits = load_digits()
    X = (digits.data / 16.0).astype(dtype)
    y = digits.target.astype("int64")
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, random_state=0, stratify=y)
    return X, y, X_test, y_test


def shared_matrix(rng: np.random.Generator, n_in: int, n_out: int, name: str):
    """Weights drawn uniformly in the range that keeps the variance of activations (Glorot)."""
    bound = np.sqrt(6.0 / (n_in + n_out))
    value = rng.uniform(-bound, bound, (n_in, n_out)).astype(phintys.config.floatX)
    return phintys.shared(value, name=name)


class Model:
    """A classifier: parameters, and expressions for its cost and its predictions."""

    def __init__(self, name: str, params, probabilities, x, y, l2: float = 0.0):
        self.name, self.params, self.x, self.y = name, params, x, y
        cost = -T.mean(T.log(probabilities)[T.arange(y.shape[0]), y])
        if l2:
            cost = cost + l2 * sum(T.sum(T.sqr(p)) for p in params if p.ndim == 2)
        self.cost = cost
        self.predictions = T.argmax(probabilities, axis=1)
        self.curve: list[float] = []


def softmax_model(rng: np.random.Generator) -> Model:
    x, y = T.matrix("x"), T.lvector("y")
    w = shared_matrix(rng, 64, 10, "softmax_w")
    b = phintys.shared(np.zeros(10, phintys.config.floatX), name="softmax_b")
    return Model("softmax", [w, b], T.nnet.softmax(T.dot(x, w) + b), x, y)


def mlp_model(rng: np.random.Generator, hidden: int = 256) -> Model:
    x, y = T.matrix("x"), T.lvector("y")
    w1 = shared_matrix(rng, 64, hidden, "w1")
    b1 = phintys.shared(np.zeros(hidden, phintys.config.floatX), name="b1")
    w2 = shared_matrix(rng, hidden, 10, "w2")
    b2 = phintys.shared(np.zeros(10, phintys.config.floatX), name="b2")
    h = T.nnet.relu(T.dot(x, w1) + b1)
    return Model("mlp", [w1, b1, w2, b2], T.nnet.softmax(T.dot(h, w2) + b2), x, y, l2=1e-4)


def momentum_updates(cost, params, rate: float, decay: float = 0.9985, momentum: float = 0.9):
    """Gradient descent with momentum: one velocity for each parameter, and a rate that decays."""
    rate = phintys.shared(np.asarray(rate, phintys.config.floatX), name="rate")
    updates = [(rate, rate * np.asarray(decay, phintys.config.floatX))]
    for p, g in zip(params, phintys.grad(cost, params), strict=True):
        v = phintys.shared(np.zeros_like(p.get_value()), name=f"{p.name}_velocity")
        step = momentum * v - rate * g
        updates += [(v, step), (p, p + step)]
    return updates


def train(model: Model, data, epochs: int, rate: float):
    """Compile the training step and the predictor, train with a progress bar, report."""
    X, y, X_test, y_test = data
    start = time.perf_counter()
    updates = momentum_updates(model.cost, model.params, rate)
    step = phintys.function(
        [model.x, model.y], model.cost, updates=updates, name=f"{model.name}_step"
    )
    predict = phintys.function([model.x], model.predictions, name=f"{model.name}_predict")
    compile_ms = (time.perf_counter() - start) * 1e3

    rng = np.random.default_rng(1)
    step_seconds, steps = 0.0, 0
    with tqdm(range(epochs), desc=model.name, unit="epoch") as bar:
        for _ in bar:
            order = rng.permutation(len(X))
            for first in range(0, len(X) - BATCH + 1, BATCH):
                batch = order[first : first + BATCH]
                xb, yb = X[batch], y[batch]
                t = time.perf_counter()
                step(xb, yb)
                step_seconds += time.perf_counter() - t
                steps += 1
            model.curve.append(float(np.mean(predict(X_test) == y_test)))
            bar.set_postfix(test_accuracy=f"{model.curve[-1]:.4f}")
    planned = step.planned_bytes([(BATCH, 64), (BATCH,)])
    print(
        f"{model.name}: test accuracy {model.curve[-1]:.4f}; compiled (gradient included) in "
        f"{compile_ms:.1f} ms; {step_seconds / steps * 1e6:.0f} us a step; "
        f"planned memory {planned / 1024:.1f} KiB"
    )
    return step, predict


def draw(models: list[Model], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4))
    for model in models:
        axes.plot(range(1, len(model.curve) + 1), model.curve, label=model.name)
    axes.axhline(0.97, color="grey", linewidth=0.8, linestyle="--")
    axes.set(xlabel="epoch", ylabel="accuracy on the test set", ylim=(0.8, 1.0))
    axes.set_title("scikit-learn digits")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    print(f"learning curves: {path}")


def run_cpp(output: Path) -> None:
    """Build the C++ program against the installed package and run it on what was saved."""
    source = Path(__file__).resolve().parent / "cpp_consumer"
    build = output / "cpp_build"
    shutil.rmtree(build, ignore_errors=True)
    cmake_dir = subprocess.run(
        [sys.executable, "-m", "phintys", "--cmake-dir"], check=True, capture_output=True, text=True
    ).stdout.strip()
    tools = Path(sys.executable).parent  # where pip put them, if it did
    cmake_command = str(tools / "cmake") if (tools / "cmake").exists() else "cmake"
    generator = (
        ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}"]
        if (tools / "ninja").exists()
        else []
    )
    for command in (
        [cmake_command, "-S", str(source), "-B", str(build), f"-Dphintys_DIR={cmake_dir}",
         "-DCMAKE_BUILD_TYPE=Release", *generator],
        [cmake_command, "--build", str(build)],
    ):  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([str(build / "digits"), str(output)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    parser.add_argument("--no-cpp", action="store_true", help="leave out the C++ program")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)

    data = load_data(phintys.config.floatX)
    rng = np.random.default_rng(0)
    softmax, mlp = softmax_model(rng), mlp_model(rng)
    train(softmax, data, args.epochs, rate=0.1)
    step, predict = train(mlp, data, args.epochs, rate=0.1)
    draw([softmax, mlp], args.output / "learning_curve.png")

    X, y, X_test, y_test = data
    predict.save(args.output / "digits_predict.phy")
    step.save(args.output / "digits_train.phy")
    for name, array in {
        "X_train": X, "y_train": y, "X_test": X_test, "y_test": y_test,
        "predictions": predict(X_test),
    }.items():  # fmt: skip
        np.save(args.output / f"{name}.npy", array)
    print(f"saved functions: {args.output}/digits_predict.phy, digits_train.phy")
    if not args.no_cpp:
        run_cpp(args.output)
    if mlp.curve[-1] < 0.97:
        raise SystemExit(f"the network reached only {mlp.curve[-1]:.4f} on the test set")


if __name__ == "__main__":
    main()
