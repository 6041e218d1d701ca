"""Writes the fixtures beside this file: one small network's activations at all pairs, saved in every way and broken in some.

Run with any NumPy: `python tests/data/npz/make.py`. Made with NumPy 2.4.6. The network is relu(E_a[x] + E_b[y]) W_U on
three elements with four neurons; its float32 weights are in the files.
"""
import pathlib
import zipfile

import numpy as np

HERE = pathlib.Path(__file__).parent
n, d = 3, 4

rng = np.random.default_rng(0)
left, right, unembed = (rng.standard_normal(s).astype(np.float32) for s in [(n, d), (n, d), (d, n)])
hidden = np.maximum(left[:, None] + right[None], 0)
logits = (hidden.astype(np.float64) @ unembed).astype(np.float32)
cube = dict(hidden=hidden, logits=logits)
flat = {name: a.reshape(n * n, -1) for name, a in cube.items()}
maps = dict(embed_left=left, embed_right=right, unembed=unembed)
wide = {name: a.astype(np.float64) for name, a in (flat | maps).items()}


def changed(array, index, value):
    array = array.copy()
    array[index] = value
    return array


np.savez(HERE / "flat.npz", **flat, **maps)
np.savez(HERE / "cube.npz", **cube, **maps)
np.savez_compressed(HERE / "compressed.npz", **flat, **maps)
np.savez(HERE / "float64.npz", **wide)
np.savez(HERE / "fortran.npz", **{name: np.asfortranarray(a) for name, a in (cube | maps).items()})
np.savez(HERE / "plain.npz", **flat)
np.savez(HERE / "no_logits.npz", hidden=flat["hidden"])
np.savez(HERE / "wrong_shape.npz", hidden=flat["hidden"][:8], logits=flat["logits"])
np.savez(HERE / "wrong_logits.npz", hidden=flat["hidden"], logits=logits[:2])
np.savez(HERE / "wrong_unembed.npz", **flat, unembed=changed(unembed, (1, 2), 9))
np.savez(HERE / "wrong_embed.npz", **flat, embed_left=left[:2], embed_right=right)
np.savez(HERE / "nan.npz", hidden=changed(flat["hidden"], (4, 1), np.nan), logits=flat["logits"])
np.savez(HERE / "infinite.npz", hidden=flat["hidden"], logits=changed(wide["logits"], (8, 0), 1e300))
np.savez(HERE / "integer.npz", hidden=(flat["hidden"] * 8).astype(np.int32), logits=flat["logits"])
np.savez(HERE / "object.npz", hidden=np.array([{}], dtype=object), logits=flat["logits"])
truncated = (HERE / "flat.npz").read_bytes()
(HERE / "truncated.npz").write_bytes(truncated[: len(truncated) // 2])
# An archive that is whole, of an array that is not.
with zipfile.ZipFile(HERE / "short_array.npz", "w") as archive:
    with zipfile.ZipFile(HERE / "plain.npz") as whole:
        for name in whole.namelist():
            archive.writestr(zipfile.ZipInfo(name), whole.read(name)[: -4 if name == "hidden.npy" else None])
