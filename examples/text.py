"""Train language models on real text, character by character: an LSTM, then a GRU.

The text is the documentation of the Python language that every Python carries (the topics of
``help()``). The loops over characters are `phintys.scan`, the gradients go back through time, and
Adam (LSTM) or RMSProp (GRU) updates the weights, all in one compiled function; another one writes
text, drawing its random numbers inside a loop. The program prints bits per character on text that
was held back, beside what simpler models of the same text reach; it draws the learning curves,
saves the functions, and, unless told not to, builds the C++ program in ``cpp_consumer/`` and lets
it write on and train on, without Python.

    python examples/text.py [--epochs 3] [--no-cpp] [--output examples/output]
"""

from __future__ import annotations

import argparse
import collections
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import phintys
import phintys.tensor as T
from phintys.tensor.random import RandomStream
from tqdm import tqdm

phintys.config.floatX = DTYPE = "float32"
STREAMS, WINDOW = 16, 64  # sequences side by side, steps that gradients go back
PROMPT = "The value of "


# ----- the text -----


class Corpus:
    """Character numbers of a text, the last tenth held back."""

    def __init__(self, text: str):
        known = collections.Counter(text)
        self.characters = sorted(c for c, n in known.items() if n >= 20)
        number = {c: i for i, c in enumerate(self.characters)}
        self.codes = np.array([number[c] for c in text if c in number], "int64")
        self.number = number
        cut = len(self.codes) * 9 // 10
        self.train, self.test = self.codes[:cut], self.codes[cut:]

    def encode(self, text: str) -> np.ndarray:
        return np.array([self.number[c] for c in text if c in self.number], "int64")

    def decode(self, codes: np.ndarray) -> str:
        return "".join(self.characters[i] for i in codes)

    def counted_bits(self, order: int) -> float:
        """Bits per character, on the held-back text, of counts after `order` characters."""
        counts: dict[tuple[int, ...], collections.Counter] = {}
        shorter = np.bincount(self.train, minlength=len(self.characters)) + 1.0
        shorter /= shorter.sum()
        for i in range(order, len(self.train)):
            before = tuple(self.train[i - order : i])
            counts.setdefault(before, collections.Counter())[self.train[i]] += 1
        total = 0.0
        for i in range(order, len(self.test)):
            seen = counts.get(tuple(self.test[i - order : i]), {})
            # Two imagined observations, spread as single characters are.
            p = (seen.get(self.test[i], 0) + 2 * shorter[self.test[i]]) / (sum(seen.values()) + 2)
            total -= np.log2(p)
        return total / (len(self.test) - order)


def load_text() -> str:
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))


def side_by_side(codes: np.ndarray, streams: int) -> tuple[np.ndarray, np.ndarray]:
    """Characters and the ones that follow them: shape (steps, streams), each column in a row."""
    steps = (len(codes) - 1) // streams
    x, y = (codes[k : k + steps * streams].reshape(streams, steps).T for k in (0, 1))
    return np.ascontiguousarray(x), np.ascontiguousarray(y)


# ----- the models -----


def shared_weights(rng: np.random.Generator, n_in: int, n_out: int, name: str):
    value = rng.uniform(-1, 1, (n_in, n_out)) * np.sqrt(3 / n_in)
    return phintys.shared(value.astype(DTYPE), name=name)


class Model:
    """Weights, and the recurrent network as expressions of them."""

    def __init__(self, name: str, rng: np.random.Generator, n_chars: int, units: int):
        self.name, self.units, self.n_chars = name, units, n_chars
        gates = {"lstm": 4, "gru": 3}[name]
        self.n_states = {"lstm": 2, "gru": 1}[name]
        # A character selects a row of the first matrix: a product with a vector of one 1.
        w = rng.uniform(-0.1, 0.1, (n_chars, gates * units)).astype(DTYPE)
        self.w = phintys.shared(w, name=f"{name}_w")
        self.u = shared_weights(rng, units, gates * units, f"{name}_u")
        bias = np.zeros(gates * units, DTYPE)
        if name == "lstm":
            bias[units : 2 * units] = 1  # remember at first
        self.b = phintys.shared(bias, name=f"{name}_b")
        self.v = shared_weights(rng, units, n_chars, f"{name}_v")
        self.c = phintys.shared(np.zeros(n_chars, DTYPE), name=f"{name}_c")
        self.params = [self.w, self.u, self.b, self.v, self.c]
        self.curve: list[tuple[int, float]] = []

    def step(self, z, *states):
        """The states after a character whose row of `w` (with `b`) is `z`."""
        return {"lstm": self.lstm_step, "gru": self.gru_step}[self.name](z, *states)

    def lstm_step(self, z, h, c):
        n = self.units
        z = z + T.dot(h, self.u)
        i, f, o = (T.nnet.sigmoid(z[:, k * n : (k + 1) * n]) for k in range(3))
        c = f * c + i * T.tanh(z[:, 3 * n :])
        return [o * T.tanh(c), c]

    def gru_step(self, z, h):
        n = self.units
        both = T.nnet.sigmoid(z[:, : 2 * n] + T.dot(h, self.u[:, : 2 * n]))
        reset, keep = both[:, :n], both[:, n:]
        fresh = T.tanh(z[:, 2 * n :] + T.dot(reset * h, self.u[:, 2 * n :]))
        return [keep * h + (1 - keep) * fresh]

    def run(self, x, states):
        """The states of all steps over characters x (steps, streams), from `states` on."""
        rows = self.w[x] + self.b
        trace, _ = phintys.scan(self.step, sequences=[rows], outputs_info=list(states))
        return trace if isinstance(trace, list) else [trace]

    def zeros(self, streams):
        return [T.zeros((streams, self.units), DTYPE) for _ in range(self.n_states)]

    def cost(self, h, y):
        """Mean of minus the logarithm of the probability of what really came next."""
        scores = T.dot(h.reshape((-1, self.units)), self.v) + self.c
        return T.mean(T.nnet.categorical_crossentropy(T.nnet.softmax(scores), y.flatten()))


# ----- optimizers: expressions of the new values of shared variables -----


def clipped(grads, norm: float):
    """Gradients shortened to a common length of at most `norm`."""
    length = T.sqrt(sum(T.sum(T.sqr(g)) for g in grads))
    return [g * T.minimum(1, norm / (length + 1e-8)) for g in grads]


def like(param, name: str):
    return phintys.shared(np.zeros_like(param.get_value()), name=f"{param.name}_{name}")


def adam(params, grads, rate: float, b1: float = 0.9, b2: float = 0.999):
    t = phintys.shared(np.asarray(0, DTYPE), name="adam_t")
    now = t + 1
    updates = [(t, now)]
    factor = rate * T.sqrt(1 - b2**now) / (1 - b1**now)
    for p, g in zip(params, grads, strict=True):
        m, v = like(p, "mean"), like(p, "square")
        mean, square = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * T.sqr(g)
        updates += [(m, mean), (v, square), (p, p - factor * mean / (T.sqrt(square) + 1e-8))]
    return updates


def rmsprop(params, grads, rate: float, decay: float = 0.95):
    updates = []
    for p, g in zip(params, grads, strict=True):
        v = like(p, "square")
        square = decay * v + (1 - decay) * T.sqr(g)
        updates += [(v, square), (p, p - rate * g / (T.sqrt(square) + 1e-4))]
    return updates


# ----- the functions -----


def training_function(model: Model, rate: float):
    """A step of training; the states at its end are where the next step begins."""
    x, y = T.lmatrix("x"), T.lmatrix("y")
    first = np.zeros((STREAMS, model.units), DTYPE)
    states = [phintys.shared(first, name=f"state{k}") for k in range(model.n_states)]
    trace = model.run(x, states)
    cost = model.cost(trace[0], y)
    grads = clipped(phintys.grad(cost, model.params), 1.0)
    optimizer = {"lstm": adam, "gru": rmsprop}[model.name]
    updates = optimizer(model.params, grads, rate)
    updates += [(s, rows[-1]) for s, rows in zip(states, trace, strict=True)]
    f = phintys.function([x, y], cost, updates=updates, name=f"{model.name}_train")
    return f, states


def scoring_function(model: Model):
    x, y = T.lmatrix("x"), T.lmatrix("y")
    trace = model.run(x, model.zeros(x.shape[1]))
    return phintys.function([x, y], model.cost(trace[0], y), name=f"{model.name}_score")


def writing_function(model: Model):
    """Reads a text, then writes `length` characters, each drawn from what the model expects."""
    prompt, length = T.lvector("prompt"), T.lscalar("length")
    temperature = T.scalar("temperature", dtype=DTYPE)
    stream = RandomStream(seed=1)
    read = [rows[-1] for rows in model.run(prompt.dimshuffle(0, "x"), model.zeros(1))]

    def write(*states):
        scores = T.dot(states[0], model.v) + model.c
        p = T.nnet.softmax(scores / temperature)[0]
        drawn = stream.categorical(p)
        return [*model.step(model.w[drawn].dimshuffle("x", 0) + model.b, *states), drawn]

    outputs, updates = phintys.scan(write, outputs_info=[*read, None], n_steps=length)
    inputs = [prompt, length, temperature]
    return phintys.function(inputs, outputs[-1], updates=updates, name=f"{model.name}_write")


def train(model: Model, corpus: Corpus, epochs: int, rate: float):
    start = time.perf_counter()
    step, states = training_function(model, rate)
    score, write = scoring_function(model), writing_function(model)
    compile_ms = (time.perf_counter() - start) * 1e3
    x, y = side_by_side(corpus.train, STREAMS)
    test = side_by_side(corpus.test, STREAMS)
    windows = range(0, len(x) - WINDOW + 1, WINDOW)
    seconds, steps = 0.0, 0
    with tqdm(total=epochs * len(windows), desc=model.name, unit="step") as bar:
        for _ in range(epochs):
            for s in states:
                s.set_value(np.zeros((STREAMS, model.units), DTYPE))
            for at in windows:
                begin = time.perf_counter()
                cost = step(x[at : at + WINDOW], y[at : at + WINDOW])
                seconds += time.perf_counter() - begin
                steps += 1
                bar.update()
                if steps % 50 == 0 or steps == epochs * len(windows):
                    model.curve.append((steps, float(score(*test)) / np.log(2)))
                    bits = f"{float(cost) / np.log(2):.2f}"
                    bar.set_postfix(bits=bits, held_back=f"{model.curve[-1][1]:.2f}")
    characters = steps * WINDOW * STREAMS / seconds
    print(
        f"{model.name}: {model.curve[-1][1]:.2f} bits per character on the text held back; "
        f"compiled (3 functions, graphs and gradient included) in {compile_ms:.0f} ms; "
        f"{seconds / steps * 1e3:.1f} ms a step, {characters:,.0f} characters a second"
    )
    return step, write


def draw(models: list[Model], levels: dict[str, float], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4))
    for model in models:
        axes.plot(*zip(*model.curve, strict=True), label=model.name)
    for (label, bits), style in zip(levels.items(), (":", "-.", "--"), strict=False):
        axes.axhline(bits, color="grey", linewidth=0.8, linestyle=style, label=label)
    axes.set(xlabel="step", ylabel="bits per character, text held back")
    axes.set_title("documentation of Python, character by character")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    print(f"learning curves: {path}")


def run_cpp(output: Path) -> None:
    """Build the C++ programs against the installed package and run this one on what was saved."""
    source = Path(__file__).resolve().parent / "cpp_consumer"
    build = output / "cpp_build"
    shutil.rmtree(build, ignore_errors=True)
    cmake_dir = subprocess.run(
        [sys.executable, "-m", "phintys", "--cmake-dir"], check=True, capture_output=True, text=True
    ).stdout.strip()
    tools = Path(sys.executable).parent  # where pip put them, if it did
    cmake = str(tools / "cmake") if (tools / "cmake").exists() else "cmake"
    ninja = tools / "ninja"
    generator = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"] if ninja.exists() else []
    configure = [cmake, "-S", str(source), "-B", str(build), f"-Dphintys_DIR={cmake_dir}"]
    for command in (
        [*configure, "-DCMAKE_BUILD_TYPE=Release", *generator],
        [cmake, "--build", str(build), "--target", "text"],
    ):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([str(build / "text"), str(output)], check=True)


def save(output: Path, corpus: Corpus, step, write) -> None:
    """What the C++ program reads; with the text that it has to write as well."""
    step.save(output / "text_train.phy")
    write.save(output / "text_write.phy")
    x, y = side_by_side(corpus.train, STREAMS)
    arrays = {
        "characters": np.array([ord(c) for c in corpus.characters], "int32"),
        "prompt": corpus.encode(PROMPT),
        "x": x[: 4 * WINDOW],
        "y": y[: 4 * WINDOW],
        "written": write(corpus.encode(PROMPT), 200, 0.5),
    }
    for name, array in arrays.items():
        np.save(output / f"text_{name}.npy", array)
    print(f"saved functions: {output}/text_train.phy, text_write.phy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--units", type=int, default=192)
    parser.add_argument("--characters", type=int, help="use the beginning of the text only")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    parser.add_argument("--no-cpp", action="store_true", help="leave out the C++ program")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)

    corpus = Corpus(load_text()[: args.characters])
    levels = {f"counts after {n} characters": corpus.counted_bits(n) for n in (0, 1, 2)}
    print(f"{len(corpus.codes):,} characters, {len(corpus.characters)} different ones")
    for label, bits in levels.items():
        print(f"{label}: {bits:.2f} bits per character on the text held back")

    rng = np.random.default_rng(0)
    models = [Model(name, rng, len(corpus.characters), args.units) for name in ("lstm", "gru")]
    trained = []
    for model, rate in zip(models, (0.005, 0.002), strict=True):
        trained.append(train(model, corpus, args.epochs, rate))
        sample = corpus.decode(trained[-1][1](corpus.encode(PROMPT), 300, 0.5))
        print(f"--- {model.name} writes:\n{PROMPT}{sample}\n---")
    draw(models, levels, args.output / "text_learning_curve.png")
    save(args.output, corpus, *trained[0])
    if not args.no_cpp:
        run_cpp(args.output)


if __name__ == "__main__":
    main()
