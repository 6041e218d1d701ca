"""Golden values of a trained network: the notebook's Fourier analysis, recomputed in float64 with numpy alone.

    python notebook_golden.py RUN_DIR [--out FILE] [--digits N]

RUN_DIR holds `cfg.json` and the weights, `model.safetensors` or else `model.pt` (torch reads the latter).
The network takes two elements x, y of a cyclic group or of a dihedral group (rows r^0 .. r^(p-1), then r^i s at row
p + i; p at least 4) to logits over their product. Models: OneLayerMLP, OneLayerMLPwithBias, BetterOneLayerMLP,
BetterTwoLayerMLP, BilinearNet. Written to FILE, or RUN_DIR/notebook_golden.json, floats rounded to N significant
digits (all of them by default).

Coordinates: a sector is the rotations or the reflections (a cyclic group is one sector); on each, the orthonormal
basis const, cos 1, sin 1, cos 2, sin 2, ..., for even p closed by a lone Nyquist cosine. Block k is the rows of
frequency k, and the terms of block k on pairs are ({const} and block k) x ({const} and block k) in every region, a
region being a sector of x with a sector of y. `hidden` is what the unembedding reads.

What is written:
  loss, accuracy             mean cross entropy over all pairs; share of pairs whose largest logit is the product
  *_spectrum                 per basis row, squares summed over channels and sectors: raw embeddings, the maps element
                             -> first hidden layer (the embeddings where nothing linear lies between), the unembedding;
                             unembed_sum: the unembedding's sectors added first, also for the neurons of one cluster
  *_mean_square              squares of the 2-D coefficients averaged over regions and channels, of hidden (each
                             neuron's mean removed) and of the logits
  *_energy_split             that energy's shares in the constant, terms linear in x and in y, products within one block
                             and across blocks
  neuron_share               a neuron's share of the hidden layer's square norm; under 1e-6 it is dim: null elsewhere
  neuron_frequency           the block whose terms hold most of the neuron's square norm; the share they hold is
                             neuron_fraction_explained, the next best block's neuron_runner_up, and the winner's with
                             the neuron's mean removed neuron_fraction_centred; chance_fraction: a block's terms over
                             all terms
  clusters                   frequency -> number of neurons; clusters_as_published: the last frequency never tried
  loss_hidden_centred        each neuron's mean removed
  loss_own_frequency_only    each neuron keeps the terms of its own block, dim neurons nothing
  loss_without_cluster       the neurons of one cluster removed
  loss_parity_ablated        dihedral groups: rows of the cluster frequencies removed from the logits of the sector
                             that the product cannot lie in
  logit_direction_energy     [f][sx][sy][so]: energy, over inputs in region (sx, sy), of the rows of f of output sector so
  logit_product_share        [f][sx][sy]: of that energy in the sector of the product, shares along f(x+y) and f(x-y)
"""
import argparse
import json
import os
import struct

import numpy as np


def read_safetensors(path):
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    out, kinds = {}, {"F32": "<f4", "F64": "<f8", "I64": "<i8"}
    for name, t in json.loads(data[8 : 8 + size]).items():
        if name != "__metadata__":
            begin, end = (8 + size + offset for offset in t["data_offsets"])
            out[name] = np.frombuffer(data[begin:end], kinds[t["dtype"]]).reshape(t["shape"])
    return out


def read_run(run):
    """The configuration and the weights by their roles: left, right, w, b, unembed (None where the model has none)."""
    cfg = json.load(open(os.path.join(run, "cfg.json")))
    path = os.path.join(run, "model.safetensors")
    if os.path.exists(path):
        weights = read_safetensors(path)
    else:
        import torch

        state = torch.load(os.path.join(run, "model.pt"), map_location="cpu", weights_only=True)
        weights = {k: v.numpy() for k, v in state.items()}
    roles = {"left": "W_E_a W_x W1a", "right": "W_E_b W_y W1b", "w": "W", "b": "b", "unembed": "W_U Wfinal"}
    find = lambda names: next((weights[k].astype(float) for k in names.split() if k in weights), None)
    return cfg, {role: find(names) for role, names in roles.items()}


def products(group, p):
    """Sectors, and the table of xy."""
    sectors = {"CyclicGroup": 1, "DihedralGroup": 2}[group]
    x, y = np.arange(sectors * p)[:, None], np.arange(sectors * p)[None]
    rotation = np.where(x < p, x % p + y % p, x % p - y % p) % p
    return sectors, rotation + p * ((x // p + y // p) % 2)


def forward(model, w):
    """The maps element -> first hidden layer, and hidden over all pairs as (x, y, neuron)."""
    if model.startswith("OneLayerMLP"):
        e = w["left"].shape[1]
        left, right = w["left"] @ w["w"][:e], w["right"] @ w["w"][e:]
    else:
        left, right = w["left"], w["right"]
    if model == "BilinearNet":
        return left, right, left[:, None] * right[None]
    hidden = np.maximum(left[:, None] + right[None], 0)
    if model == "BetterTwoLayerMLP":
        hidden = np.maximum(hidden @ w["w"], 0)
    elif model == "OneLayerMLPwithBias":
        hidden = hidden + w["b"]
    elif model not in ("OneLayerMLP", "BetterOneLayerMLP"):
        raise ValueError(f"unknown model {model}")
    return left, right, hidden


def loss(logits, labels):
    """Mean of log(1 + sum over z != target of exp(l_z - l_target)), accurate however small it is."""
    logits, labels = logits.reshape(-1, logits.shape[-1]), labels.reshape(-1)
    d = logits - np.take_along_axis(logits, labels[:, None], 1)
    top = np.maximum(d.max(1), 0)
    others = np.exp(d - top[:, None])
    np.put_along_axis(others, labels[:, None], 0, 1)
    sums = others.sum(1)
    return float(np.where(top > 0, top + np.log(np.exp(-top) + sums), np.log1p(sums)).mean())


def fourier(p):
    """Row names, the frequency of each row, and the orthonormal rows."""
    t, names, freq, rows = np.arange(p), ["const"], [0], [np.ones(p)]
    for k in range(1, p // 2 + 1):
        for name, f in (("cos", np.cos), ("sin", np.sin)):
            if name == "cos" or 2 * k < p:
                names, freq, rows = names + [f"{name} {k}"], freq + [k], rows + [f(2 * np.pi * (k * t % p) / p)]
    rows = np.array(rows)
    return names, np.array(freq), rows / np.linalg.norm(rows, axis=1, keepdims=True)


def analyse(cfg, w):
    p, group = cfg["group_parameter"], cfg["group"]
    assert p >= 4, "a runner-up takes two frequencies"
    S, table = products(group, p)
    n, (names, freq, F) = S * p, fourier(p)
    left, right, hidden = forward(cfg["model"], w)
    U, width = w["unembed"], hidden.shape[2]
    logits = hidden @ U
    out = {"group": group, "group_parameter": p, "order": n, "width": width, "loss": loss(logits, table)}
    out["accuracy"] = float((logits.argmax(2) == table).mean())
    out["components"] = names

    def spectrum(m):  # (n, channels) -> energy per row
        return ((F @ m.reshape(S, p, -1)) ** 2).sum((0, 2))

    def unembed_sum(rows):
        return ((F @ rows.T.reshape(S, p, -1).sum(0)) ** 2).sum(1)

    def transform(m, f):  # (n, n, channels) -> (sx, row, sy, row, channels); f = F.T inverts
        m = np.einsum("ia,satbk->sitbk", f, m.reshape(S, p, S, p, -1), optimize=True)
        return np.einsum("jb,sitbk->sitjk", f, m, optimize=True)

    for name, m in (("embed_left", w["left"]), ("embed_right", w["right"]), ("neuron_left", left), ("neuron_right", right)):
        out[name + "_spectrum"] = spectrum(m)
    out["unembed_sum_spectrum"], out["unembed_spectrum"] = unembed_sum(U), spectrum(U.T)
    centred = hidden - hidden.mean((0, 1))
    out["loss_hidden_centred"] = loss(centred @ U, table)

    centred = transform(centred, F) ** 2
    split, square, same = {}, {}, freq[1:, None] == freq[None, 1:]
    for name, energy in (("hidden", centred), ("logit", transform(logits, F) ** 2)):
        e = square[name] = energy.mean((0, 2, 4))
        parts = {"constant": e[0, 0], "linear_x": e[1:, 0].sum(), "linear_y": e[0, 1:].sum()}
        parts.update(quadratic_same_block=e[1:, 1:][same].sum(), quadratic_cross_block=e[1:, 1:][~same].sum())
        split[name] = {k: v / e.sum() for k, v in parts.items()}
    out.update({f"{k}_energy_split": v for k, v in split.items()})
    out.update({f"{k}_mean_square": v for k, v in square.items()})

    # Neurons: for each block, the mask of its terms; energies summed over regions.
    coefficients = transform(hidden, F)
    energy, centred = (coefficients**2).sum((0, 2)), centred.sum((0, 2))
    frequencies = list(range(1, p // 2 + 1))
    masks = {k: np.outer(m, m) for k, m in ((k, (freq == 0) | (freq == k)) for k in frequencies)}
    norm = energy.sum((0, 1))
    dim = norm / norm.sum() < 1e-6
    safe = np.where(dim, 1, norm)
    fractions = np.array([energy[masks[k]].sum(0) / safe for k in frequencies])
    assigned = np.where(dim, 0, fractions.argmax(0) + 1)
    published = np.where(dim, 0, fractions[:-1].argmax(0) + 1)

    def bright(values):
        return [None if d else v for d, v in zip(dim, values)]

    out["neuron_share"] = norm / norm.sum()
    out["neuron_frequency"] = bright(assigned)
    out["neuron_fraction_explained"] = bright(fractions.max(0))
    out["neuron_runner_up"] = bright(np.sort(fractions, 0)[-2])
    winner = (centred[masks[k]].sum(0)[j] / centred[:, :, j].sum() if k else 0 for j, k in enumerate(assigned))
    out["neuron_fraction_centred"] = bright(winner)
    out["chance_fraction"] = {k: masks[k].mean() for k in frequencies}
    keys = sorted(set(assigned[~dim]))
    out["clusters"] = {k: (assigned == k).sum() for k in keys}
    out["clusters_as_published"] = {k: (published == k).sum() for k in sorted(set(published[~dim]))}

    for k in [0] + frequencies:
        coefficients[..., assigned == k] *= masks[k][None, :, None, :, None] if k else 0
    own = transform(coefficients, F.T).reshape(n, n, width)
    out["loss_own_frequency_only"] = loss(own @ U, table)
    out["loss_without_cluster"] = {k: loss(logits - hidden[..., assigned == k] @ U[assigned == k], table) for k in keys}
    out["unembed_sum_spectrum_by_cluster"] = {k: unembed_sum(U[assigned == k]) for k in keys}

    # Logits along the output: (sx, x, sy, y, so, row).
    along = np.einsum("xysc,rc->xysr", logits.reshape(n, n, S, p), F, optimize=True).reshape(S, p, S, p, S, p)
    out["logit_direction_energy"] = {k: (along[..., freq == k] ** 2).sum((1, 3, 5)) for k in keys}
    i, j, out["logit_product_share"] = np.arange(p)[:, None], np.arange(p)[None], {}
    for k in keys:
        rows, share = F[freq == k] / np.sqrt(p), np.zeros((S, S, 2))
        for sx, sy in np.ndindex(S, S):
            a = along[sx, :, sy, :, (sx + sy) % 2][..., freq == k]
            for d, direction in enumerate((rows[:, (i + j) % p], rows[:, (i - j) % p])):
                share[sx, sy, d] = (np.einsum("rxy,xyc->rc", direction, a) ** 2).sum() / (a**2).sum()
        out["logit_product_share"][k] = share
    if S == 2:
        forbidden = (np.arange(2)[:, None, None] + np.arange(2)[None, :, None] + np.arange(2)[None, None]) % 2 == 1
        remove = forbidden[:, None, :, None, :, None] & np.isin(freq, keys)
        kept = np.where(remove, 0, along).reshape(n, n, S, p) @ F
        out["loss_parity_ablated"] = loss(kept.reshape(n, n, n), table)
    return out


def plain(v, digits):
    """What json can write, floats rounded."""
    if isinstance(v, dict):
        return {str(k): plain(x, digits) for k, x in v.items()}
    if isinstance(v, (list, tuple, np.ndarray)):
        return [plain(x, digits) for x in v]
    if isinstance(v, (float, np.floating)):
        return float(f"{v:.{digits}g}")
    return int(v) if isinstance(v, np.integer) else v


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--out")
    parser.add_argument("--digits", type=int, default=17)
    args = parser.parse_args()
    with open(args.out or os.path.join(args.run, "notebook_golden.json"), "w") as f:
        json.dump(plain(analyse(*read_run(args.run)), args.digits), f)
