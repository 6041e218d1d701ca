"""Writes steps.json: PyTorch's first ten full-batch steps on small networks of every kind, by AdamW and by the others.

Run with any PyTorch: `python tests/train/golden/steps.py`. Cases that the file has are kept as they are; the file says
which version made it, and a case that another made says which. Initial weights and training pairs are formulas, the same
in tests/train/steps.rs.
"""
import json
import math
import pathlib

import torch
from torch.optim.lr_scheduler import LambdaLR

EPOCHS = 10
torch.set_num_threads(1)


def case(model, group, n, embed, hidden, lr, decay, betas, warmup=0, lr_decay="constant", **others):
    """`others`: `optimiser` and `label_smoothing`, as in cfg.json; AdamW and 0 where they are not there."""
    return dict(model=model, group=group, n=n, embed=embed, hidden=hidden, lr=lr, weight_decay=decay, betas=betas,
                warmup=warmup, lr_decay=lr_decay) | others


def sgd(momentum):
    return {"SGD": {"momentum": momentum}}


SHORT, LONG = (0.9, 0.98), (0.9, 0.999)
# The published transformer; its biases are not trained, and here they are not 0.
D_MODEL, D_MLP, HEADS = 128, 512, 4
CASES = [
    case("OneLayerMLP", "dihedral", 5, 12, 20, 1e-3, 1.0, SHORT),
    case("OneLayerMLPwithBias", "cyclic", 7, 12, 20, 1e-2, 0.3, LONG),
    case("BetterOneLayerMLP", "cyclic", 7, 20, 20, 1e-3, 0.3, LONG),
    case("BetterTwoLayerMLP", "dihedral", 5, 12, 20, 1e-2, 1.0, SHORT),
    case("BilinearNet", "cyclic", 7, 20, 20, 1e-2, 0.3, SHORT),
    case("OneLayerMLP", "dihedral", 53, 32, 48, 1e-3, 1.0, SHORT),
    case("OneLayerMLPwithBias", "dihedral", 5, 7, 9, 1e-2, 1.0, SHORT, 4, "linear"),
    case("BetterTwoLayerMLP", "cyclic", 7, 9, 7, 1e-2, 1.0, SHORT, 3, "cosine"),
    case("OneLayerMLP", "dihedral", 5, 12, 20, 1e-2, 0.01, SHORT, optimiser="Adam"),
    case("OneLayerMLPwithBias", "cyclic", 7, 12, 20, 1e-3, 0.0, LONG, 4, "linear", optimiser="Adam"),
    case("BetterOneLayerMLP", "cyclic", 7, 20, 20, 0.3, 0.01, SHORT, optimiser=sgd(0.9)),
    case("BilinearNet", "dihedral", 5, 20, 20, 3.0, 0.0, SHORT, 3, "cosine", optimiser=sgd(0.5)),
    case("BetterTwoLayerMLP", "dihedral", 5, 12, 20, 1.0, 0.01, SHORT, optimiser=sgd(0.0)),
    case("OneLayerMLPwithBias", "dihedral", 5, 12, 20, 1e-2, 1.0, SHORT, label_smoothing=0.1),
    case("BetterTwoLayerMLP", "cyclic", 7, 9, 7, 1e-2, 0.3, LONG, label_smoothing=0.5),
    case("BetterOneLayerMLP", "dihedral", 53, 32, 32, 30.0, 1e-4, SHORT, optimiser=sgd(0.9), label_smoothing=0.2),
    case("Transformer", "cyclic", 13, D_MODEL, D_MLP, 1e-3, 1.0, SHORT),
    case("Transformer", "dihedral", 5, D_MODEL, D_MLP, 1e-3, 1.0, SHORT, label_smoothing=0.1),
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


def optimizer_of(case, parameters):
    optimiser, common = case.get("optimiser", "AdamW"), dict(lr=case["lr"], weight_decay=case["weight_decay"])
    if isinstance(optimiser, dict):
        return torch.optim.SGD(parameters, momentum=optimiser["SGD"]["momentum"], **common)
    of_name = {"AdamW": torch.optim.AdamW, "Adam": torch.optim.Adam}[optimiser]
    return of_name(parameters, betas=case["betas"], eps=1e-8, **common)


def transformer_shapes(order):
    """Names of TransformerLens, matrices (in, out) with the heads side by side."""
    e, layer = D_MODEL, {}
    for name, shape in [("attn.W_Q", (e, e)), ("attn.W_K", (e, e)), ("attn.W_V", (e, e)), ("attn.W_O", (e, e)),
                        ("mlp.W_in", (e, D_MLP)), ("mlp.W_out", (D_MLP, e))]:
        layer[f"blocks.0.{name}"] = shape
        layer[f"blocks.0.{name.replace('W_', 'b_')}"] = (1, shape[1])
    ends = {"unembed.W_U": (e, order), "unembed.b_U": (1, order)}
    return {"embed.W_E": (order + 1, e), "pos_embed.W_pos": (3, e)} | layer | ends


def transformer(w, order, x, y):
    """Logits at the last position of (x, y, =)."""
    attn, mlp = (lambda name: w[f"blocks.0.attn.{name}"]), (lambda name: w[f"blocks.0.mlp.{name}"])
    stream = w["embed.W_E"][torch.stack([x, y, torch.full_like(x, order)], 1)] + w["pos_embed.W_pos"]
    heads = lambda a: a.unflatten(-1, (HEADS, D_MODEL // HEADS)).transpose(1, 2)
    q, k, v = (heads(stream @ attn("W_" + c) + attn("b_" + c)) for c in "QKV")
    scores = q @ k.transpose(-1, -2) / math.sqrt(D_MODEL // HEADS)
    causal = torch.ones(3, 3, dtype=torch.bool).tril()
    z = (scores.masked_fill(~causal, -1e5).softmax(-1) @ v).transpose(1, 2).flatten(2)
    stream = stream + z @ attn("W_O") + attn("b_O")
    hidden = torch.relu(stream @ mlp("W_in") + mlp("b_in"))
    stream = stream + hidden @ mlp("W_out") + mlp("b_out")
    return (stream @ w["unembed.W_U"] + w["unembed.b_U"])[:, -1]


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
    if model == "Transformer":
        shapes = transformer_shapes(order)
    w = {name: torch.nn.Parameter(initial(t, shape).to(dtype)) for t, (name, shape) in enumerate(shapes.items())}
    for name, parameter in w.items():
        parameter.requires_grad = not (model == "Transformer" and ".b_" in name)

    def logits():
        if model == "Transformer":
            return transformer(w, order, x, y)
        left, right = w["W_E_a"][x], w["W_E_b"][y]
        if model == "BilinearNet":
            return (left * right) @ w["W_U"]
        if model == "BetterOneLayerMLP":
            return torch.relu(left + right) @ w["W_U"]
        if model == "BetterTwoLayerMLP":
            return torch.relu(torch.relu(left + right) @ w["W"]) @ w["W_U"]
        hidden = torch.relu(torch.hstack((left, right)) @ w["W"])
        return (hidden + w["b"] if "b" in w else hidden) @ w["W_U"]

    optimizer = optimizer_of(case, [parameter for parameter in w.values() if parameter.requires_grad])
    schedule = LambdaLR(optimizer, lambda k: factor(k, case["warmup"], case["lr_decay"]))
    losses, rates = [], []
    for epoch in range(EPOCHS + 1):
        loss = torch.nn.functional.cross_entropy(
            logits().double(), label, label_smoothing=case.get("label_smoothing", 0.0))
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


def settings(case):
    return json.dumps({key: case[key] for key in case if key not in ("torch", "losses", "rates", "weights")})


def main():
    path = pathlib.Path(__file__).with_suffix(".json")
    made_by = dict(torch=torch.__version__, command="python tests/train/golden/steps.py")
    there = json.loads(path.read_text()) if path.exists() else dict(made_by=made_by, cases=[])
    made_by, cases = there["made_by"], []
    for case in CASES:
        kept = next((old for old in there["cases"] if settings(old) == settings(case)), None)
        if kept is None:
            losses, rates, weights = train(case)
            by = {} if torch.__version__ == made_by["torch"] else dict(torch=torch.__version__)
            kept = case | by | dict(losses=losses, rates=rates, weights=weights)
        cases.append(kept)
    lines = ",\n".join(json.dumps(case) for case in cases)
    path.write_text(f'{{"made_by": {json.dumps(made_by)}, "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
