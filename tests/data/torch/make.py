"""Writes the fixtures beside this file: small torch.save files and what PyTorch itself reads out of them.

Run with any PyTorch from 1.13 on: `python tests/data/torch/make.py`. Made with PyTorch 2.15.0. `expected.json` lists, per
file and tensor, the shape and the elements in row-major order: floats as the bits of the f32 or f64, integers and truth
values as they are.
"""
import collections
import json
import pathlib

import torch

HERE = pathlib.Path(__file__).parent
EXACT = {torch.float16: torch.float32, torch.bfloat16: torch.float32}


def bits(tensor):
    tensor = tensor.detach().to(EXACT.get(tensor.dtype, tensor.dtype))
    values = tensor.contiguous().flatten().tolist()
    if tensor.dtype == torch.float32:
        return "f32", tensor.contiguous().flatten().view(torch.int32).tolist()
    if tensor.dtype == torch.float64:
        return "f64", tensor.contiguous().flatten().view(torch.int64).tolist()
    return ("bool" if tensor.dtype == torch.bool else "i64"), values


def entry(tensor):
    dtype, values = bits(tensor)
    return {"dtype": dtype, "shape": list(tensor.shape), "values": values}


torch.manual_seed(0)
special = torch.tensor([0.0, -0.0, float("inf"), float("nan"), 6e-8, -65504.0])
dtypes = {
    "f32": torch.randn(2, 3),
    "f64": torch.randn(2, 3, dtype=torch.float64),
    "f16": torch.cat([torch.randn(6).half(), special.half()]),
    "bf16": torch.cat([torch.randn(6).bfloat16(), special.bfloat16()]),
    "bool": torch.tensor([[True, False], [False, True]]),
    "u8": torch.tensor([0, 1, 255], dtype=torch.uint8),
    "i8": torch.tensor([-128, 0, 127], dtype=torch.int8),
    "i16": torch.tensor([-(2**15), 0, 2**15 - 1], dtype=torch.int16),
    "i32": torch.tensor([-(2**31), 0, 2**31 - 1], dtype=torch.int32),
    "i64": torch.tensor([-(2**63), 0, 2**63 - 1]),
}
base = torch.arange(24.0).reshape(2, 3, 4)
layouts = {
    "base": base,
    "alias": base.view(6, 4),
    "transposed": base.permute(2, 0, 1),
    "sliced": base[1:, 1:3, ::2],
    "diagonal": base[0].diagonal(),
    "expanded": torch.tensor([[1.0], [2.0]]).expand(2, 3),
    "scalar": torch.tensor(0.25),
    "empty": torch.zeros(0, 3),
    "empty_slice": base[2:],
    "unit_axes": base[None, :, :1, None, 2],
}


module = torch.nn.Sequential(collections.OrderedDict(layer=torch.nn.Linear(3, 2))).state_dict()
parameters = {"W": torch.nn.Parameter(torch.randn(2, 2)), "frozen": torch.nn.Parameter(torch.ones(2), False)}
other = {"epoch": 300, "lr": 1e-3, "big": 2**70, "names": ["a", "b"], "none": None, "raw": b"x", "t": (-1, 2, 3, 4)}
files = {
    "dtypes": (dtypes, dtypes, 2),
    "layouts": (layouts, layouts, 4),
    "module": (module, module, 2),
    "parameters": ({**other, **parameters}, parameters, 3),
    "nested": ({**other, "set": {1}, "model": module}, module, 5),
}
expected = {}
for name, (saved, tensors, protocol) in files.items():
    torch.save(saved, HERE / f"{name}.pt", pickle_protocol=protocol)
    expected[name] = {key: entry(value) for key, value in tensors.items()}
torch.save({"W": torch.ones(1)}, HERE / "legacy.pt", _use_new_zipfile_serialization=False)
text = json.dumps(expected, separators=(",", ":")).replace("},", "},\n")
(HERE / "expected.json").write_text(text + "\n")
