"""Writes output_bias.json: the first ten full-batch AdamW steps of networks with an output bias, in NumPy and `float64`.

Run with any NumPy: `python tests/train/golden/output_bias.py`. The gradients are written out by hand; on the cases of
steps.json, which have no output bias, this program must give PyTorch's losses, or it writes nothing. Initial weights and
training pairs are the formulas of steps.py.
"""
import json
import math
import pathlib

import numpy as np

EPOCHS = 10
HERE = pathlib.Path(__file__).parent


def case(model, group, n, embed, hidden, lr, decay, betas, warmup=0, lr_decay="constant"):
    return dict(model=model, group=group, n=n, embed=embed, hidden=hidden, lr=lr, weight_decay=decay, betas=betas,
                warmup=warmup, lr_decay=lr_decay, output_bias=True)


SHORT, LONG = (0.9, 0.98), (0.9, 0.999)
CASES = [
    case("OneLayerMLP", "dihedral", 5, 12, 20, 1e-3, 1.0, SHORT),
    case("OneLayerMLPwithBias", "cyclic", 7, 12, 20, 1e-2, 0.3, LONG),
    case("BetterOneLayerMLP", "cyclic", 7, 20, 20, 1e-2, 0.3, LONG),
    case("BetterTwoLayerMLP", "dihedral", 5, 12, 20, 1e-2, 1.0, SHORT, 3, "cosine"),
    case("BilinearNet", "cyclic", 7, 20, 20, 1e-2, 0.3, SHORT),
]


def multiply(group, n, x, y):
    """Labels x y: the integers mod n, or the dihedral group with its n rotations before its n reflections."""
    if group == "cyclic":
        return (x + y) % n
    turn = np.where(x < n, x % n + y % n, x % n - y % n) % n
    return turn + n * ((x // n + y // n) % 2)


def initial(t, shape):
    """Tensor number t: entry i is ((7919 i^2 + 104729 i + 131 t) mod 10007 / 10007 - 1/2) times a power of two."""
    i = np.arange(shape[0] * shape[1], dtype=np.int64)
    values = ((7919 * i * i + 104729 * i + 131 * t) % 10007) / 10007 - 0.5
    scale = 4.0
    while scale * scale * shape[0] > 16:
        scale /= 2
    return (values * scale).astype(np.float32).astype(np.float64).reshape(shape)


def factor(k, warmup, decay):
    """Factor of the learning rate of step k, counted from 0."""
    if k < warmup:
        return (k + 1) / warmup
    done = (k - warmup) / (EPOCHS - warmup)
    return {"constant": 1, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[decay]


def loss_and_gradient(model, w, x, y, label):
    """The mean cross-entropy and its derivatives, layer by layer."""
    left, right = w["W_E_a"][x], w["W_E_b"][y]
    if model == "BilinearNet":
        neurons = left * right
    elif model == "BetterOneLayerMLP":
        neurons = np.maximum(left + right, 0)
    elif model == "BetterTwoLayerMLP":
        first = np.maximum(left + right, 0)
        neurons = np.maximum(first @ w["W"], 0)
    else:
        stack = np.hstack((left, right))
        neurons = np.maximum(stack @ w["W"], 0)
    hidden = neurons + w.get("b", 0)
    logits = hidden @ w["W_U"] + w.get("b_U", 0)
    rows = np.arange(len(x))
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax = exponentials / exponentials.sum(axis=1, keepdims=True)
    loss = -np.log(softmax[rows, label]).mean()
    delta = softmax.copy()
    delta[rows, label] -= 1
    delta /= len(x)
    back = delta @ w["W_U"].T
    g = {"W_U": hidden.T @ delta, "b_U": delta.sum(axis=0, keepdims=True), "b": back.sum(axis=0, keepdims=True)}
    if model == "BilinearNet":
        back_left, back_right = back * right, back * left
    elif model == "BetterOneLayerMLP":
        back_left = back_right = back * (neurons > 0)
    elif model == "BetterTwoLayerMLP":
        back = back * (neurons > 0)
        g["W"] = first.T @ back
        back_left = back_right = (back @ w["W"].T) * (first > 0)
    else:
        back = back * (neurons > 0)
        g["W"] = stack.T @ back
        back_left, back_right = np.hsplit(back @ w["W"].T, 2)
    for name, at, rows_of in [("W_E_a", x, back_left), ("W_E_b", y, back_right)]:
        g[name] = np.zeros_like(w[name])
        np.add.at(g[name], at, rows_of)
    return loss, g


def train(case):
    model, n, e, d = case["model"], case["n"], case["embed"], case["hidden"]
    order = 2 * n if case["group"] == "dihedral" else n
    pairs = (7919 * np.arange(order * order // 2) + 17) % (order * order)
    x, y = pairs // order, pairs % order
    label = multiply(case["group"], n, x, y)
    shapes = {"W_E_a": (order, e), "W_E_b": (order, e)}
    if model.startswith("OneLayer"):
        shapes["W"] = (2 * e, d)
    if model == "BetterTwoLayerMLP":
        shapes["W"] = (e, d)
    if model == "OneLayerMLPwithBias":
        shapes["b"] = (1, d)
    shapes["W_U"] = (d, order)
    if case.get("output_bias"):
        shapes["b_U"] = (1, order)
    w = {name: initial(t, shape) for t, (name, shape) in enumerate(shapes.items())}
    moments = {name: (np.zeros(shape), np.zeros(shape)) for name, shape in shapes.items()}
    (b1, b2), losses, rates = case["betas"], [], []
    for step in range(EPOCHS + 1):
        loss, g = loss_and_gradient(model, w, x, y, label)
        losses.append(loss)
        if step == EPOCHS:
            break
        rates.append(case["lr"] * factor(step, case["warmup"], case["lr_decay"]))
        for name in w:
            # Loshchilov and Hutter 2019, algorithm 2.
            first, second = moments[name]
            first = b1 * first + (1 - b1) * g[name]
            second = b2 * second + (1 - b2) * g[name] ** 2
            moments[name] = first, second
            corrected = first / (1 - b1 ** (step + 1)), second / (1 - b2 ** (step + 1))
            w[name] = w[name] - rates[-1] * case["weight_decay"] * w[name]
            w[name] = w[name] - rates[-1] * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)

    def numbers(values):
        values = values.flatten()
        count = len(values)
        alternating = values * (-1.0) ** (np.arange(count) // 3)
        return dict(sum=float(values.sum()), squares=float((values**2).sum()), alternating=float(alternating.sum()),
                    entries=[float(values[k * (count - 1) // 9]) for k in range(10)])

    return [float(loss) for loss in losses], rates, {name: numbers(values) for name, values in w.items()}


def main():
    for known in json.loads((HERE / "steps.json").read_text())["cases"]:
        losses, _, weights = train(known)
        assert np.allclose(losses, known["losses"], rtol=5e-7, atol=0), known["model"]
        for name, numbers in weights.items():
            np.testing.assert_allclose(numbers["entries"], known["weights"][name]["entries"], rtol=1e-4, atol=1e-6)
    cases = []
    for case in CASES:
        losses, rates, weights = train(case)
        cases.append(case | dict(losses=losses, rates=rates, weights=weights))
    made_by = json.dumps(dict(numpy=np.__version__, command="python tests/train/golden/output_bias.py"))
    lines = ",\n".join(json.dumps(case) for case in cases)
    (HERE / "output_bias.json").write_text(f'{{"made_by": {made_by}, "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
