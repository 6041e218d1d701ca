"""Writes steps.json: PyTorch's first ten full-batch AdamW steps on small networks of every kind.

Run with any PyTorch: `python tests/train/golden/steps.py`. The file says which version made it. Initial weights and
training pairs are formulas, the same in tests/train/steps.rs.
"""
import json
import math
import pathlib

import torch
from torch.optim.lr_scheduler import LambdaLR

EPOCHS = 10
torch.set_num_threads(1)


def case(model, group, n, embed, hidden, lr, decay, betas, warmup=0, lr_decay="constant"):
    return dict(model=model, group=group, n=n, embed=embed, hidden=hidden, lr=lr, weight_decay=decay, betas=betas,
                warmup=warmup, lr_decay=lr_decay)


SHORT, LONG = (0.9, 0.98), (0.9, 0.999)
CASES = [
    case("OneLayerMLP", "dihedral", 5, 12, 20, 1e-3, 1.0, SHORT),
    case("OneLayerMLPwithBias", "cyclic", 7, 12, 20, 1e-2, 0.3, LONG),
    case("BetterOneLayerMLP", "cyclic", 7, 20, 20, 1e-3, 0.3, LONG),
    case("BetterTwoLayerMLP", "dihedral", 5, 12, 20, 1e-2, 1.0, SHORT),
    case("BilinearNet", "cyclic", 7, 20, 20, 1e-2, 0.3, SHORT),
    case("OneLayerMLP", "dihedral", 53, 32, 48, 1e-3, 1.0, SHORT),
    case("OneLayerMLPwithBias", "dihedral", 5, 7, 9, 1e-2, 1.0, SHORT, 4, "linear"),
    case("BetterTwoLayerMLP", "cyclic", 7, 9, 7, 1e-2, 1.0, SHORT, 3, "cosine"),
]


def multiply(group, n, x, y):
    """Labels x y: the integers mod n, or the dihedral group with its n rotations before its n reflections."""
    if group == "cyclic":
        return (x + y) % n
    turn = torch.where(x < n, x % n + y % n, x % n - y % n) % n
    return turn + n * ((x // n + y // n) % 2)


def initial(t, shape):
    """Tensor number t: entry i is ((7919 i^2 + 104729 i + 131 t) mod 10007 / 10007 - 1/2) times a power of two."""
    i = torch.arange(shape[0] * shape[1], dtype=torch.int64)
    values = ((7919 * i * i + 104729 * i + 131 * t) % 10007).double() / 10007 - 0.5
    # The largest power of two up to 4 / sqrt(rows).
    scale = 4.0
    while scale * scale * shape[0] > 16:
        scale /= 2
    return (values * scale).float().reshape(shape)


def factor(k, warmup, decay):
    """Factor of the learning rate of step k, counted from 0."""
    if k < warmup:
        return (k + 1) / warmup
    done = (k - warmup) / (EPOCHS - warmup)
    return {"constant": 1, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[decay]


def train(case, dtype=torch.float32):
    model, n, e, d = case["model"], case["n"], case["embed"], case["hidden"]
    order = 2 * n if case["group"] == "dihedral" else n
    # Half of the pairs, in no order.
    pairs = (7919 * torch.arange(order * order // 2) + 17) % (order * order)
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
    w = {name: torch.nn.Parameter(initial(t, shape).to(dtype)) for t, (name, shape) in enumerate(shapes.items())}

    def logits():
        left, right = w["W_E_a"][x], w["W_E_b"][y]
        if model == "BilinearNet":
            return (left * right) @ w["W_U"]
        if model == "BetterOneLayerMLP":
            return torch.relu(left + right) @ w["W_U"]
        if model == "BetterTwoLayerMLP":
            return torch.relu(torch.relu(left + right) @ w["W"]) @ w["W_U"]
        hidden = torch.relu(torch.hstack((left, right)) @ w["W"])
        return (hidden + w["b"] if "b" in w else hidden) @ w["W_U"]

    optimizer = torch.optim.AdamW(
        w.values(), lr=case["lr"], betas=case["betas"], eps=1e-8, weight_decay=case["weight_decay"])
    schedule = LambdaLR(optimizer, lambda k: factor(k, case["warmup"], case["lr_decay"]))
    losses, rates = [], []
    for epoch in range(EPOCHS + 1):
        loss = torch.nn.functional.cross_entropy(logits().double(), label)
        losses.append(loss.item())
        if epoch == EPOCHS:
            break
        rates.append(schedule.get_last_lr()[0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()

    def numbers(values):
        values = values.detach().double().flatten()
        count = len(values)
        alternating = values * (-1.0) ** (torch.arange(count) // 3)
        return dict(sum=values.sum().item(), squares=(values**2).sum().item(), alternating=alternating.sum().item(),
                    entries=[values[k * (count - 1) // 9].item() for k in range(10)])

    return losses, rates, {name: numbers(values) for name, values in w.items()}


def main():
    cases = []
    for case in CASES:
        losses, rates, weights = train(case)
        cases.append(case | dict(losses=losses, rates=rates, weights=weights))
    made_by = json.dumps(dict(torch=torch.__version__, command="python tests/train/golden/steps.py"))
    lines = ",\n".join(json.dumps(case) for case in cases)
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(f'{{"made_by": {made_by}, "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
