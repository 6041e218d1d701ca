"""Writes the fixtures under `people/` beside this file: weights as people save them, with what they save beside them.

Run with any Python 3.8 or later: `python3 tests/data/torch/write.py`. PyTorch is not needed: its names are stood in for by
empty classes and functions, and Python's own pickler writes them as it writes PyTorch's. Every file holds the network
`BetterOneLayerMLP` on the cyclic group of order 3 with width 2 whose weights are `W_x = 1, 2, .., 6`,
`W_y = 11, 12, .., 16` and `W_U = 21, 22, .., 26`, unless its name says otherwise (`tests/checkpoint/people.rs`).
"""
import argparse
import array
import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import io
import pathlib
import pickle
import struct
import sys
import types
import zipfile

HERE = pathlib.Path(__file__).parent / "people"


def module(name, *functions):
    if "." in name:
        module(name.rsplit(".", 1)[0])
    made = sys.modules.setdefault(name, types.ModuleType(name))
    for function in functions:
        function.__module__ = name
        function.__qualname__ = function.__name__
        setattr(made, function.__name__, function)
    return made


def function(module_name, name):
    def stub(*_):
        raise RuntimeError
    stub.__name__ = name
    module(module_name, stub)
    return stub


def class_(module_name, name, **members):
    made = type(name, (), members)
    module(module_name, made)
    return made


FLOAT, UNTYPED = class_("torch", "FloatStorage"), class_("torch.storage", "UntypedStorage")
COMPLEX, LONG = class_("torch", "ComplexFloatStorage"), class_("torch", "LongStorage")
V2, V3 = function("torch._utils", "_rebuild_tensor_v2"), function("torch._utils", "_rebuild_tensor_v3")
PARAMETER = function("torch._utils", "_rebuild_parameter")
STATEFUL = function("torch._utils", "_rebuild_parameter_with_state")
FROM_TYPE = function("torch._tensor", "_rebuild_from_type_v2")
SPARSE, QUANTISED = function("torch._utils", "_rebuild_sparse_tensor"), function("torch._utils", "_rebuild_qtensor")
SCALAR, DTYPE = function("numpy._core.multiarray", "scalar"), class_("numpy", "dtype")
LINEAR, MINE, SCRIPT = class_("torch.nn.modules.linear", "Linear"), class_("lab.models", "Net"), class_("__torch__", "Net")
SUBCLASS = class_("lab.tensors", "Named")


class Storage:
    def __init__(self, kind, data, count):
        self.kind, self.data, self.count = kind, data, count


class Call:
    """Pickled as a call of `function`, and with a state if it has one."""

    def __init__(self, function, *arguments, state=None):
        self.value = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.value


def floats(*values):
    return Storage(FLOAT, struct.pack(f"<{len(values)}f", *values), len(values))


def over(storage, shape, stride=None, offset=0):
    if stride is None:
        stride = tuple(functools.reduce(lambda a, b: a * b, shape[i + 1:], 1) for i in range(len(shape)))
    return Call(V2, storage, offset, tuple(shape), tuple(stride), False, collections.OrderedDict())


def matrix(start, rows, columns):
    return over(floats(*range(start, start + rows * columns)), (rows, columns))


def weights(prefix="", add=0):
    named = [("W_x", matrix(1 + add, 3, 2)), ("W_y", matrix(11 + add, 3, 2)), ("W_U", matrix(21 + add, 2, 3))]
    return collections.OrderedDict((prefix + name, tensor) for name, tensor in named)


def parameters(state):
    return {name: Call(PARAMETER, tensor, True, collections.OrderedDict()) for name, tensor in state.items()}


def net(class_made, parameters_=(), modules=(), buffers=()):
    """A `torch.nn.Module` as it is pickled whole."""
    made = class_made()
    hooks = {name: collections.OrderedDict() for name in ("_backward_hooks", "_forward_hooks", "_state_dict_hooks")}
    made.__dict__.update(training=True, _parameters=dict(parameters_), _buffers=dict(buffers), **hooks)
    made.__dict__.update(_non_persistent_buffers_set=set(), _modules=dict(modules))
    return made


class Pickler(pickle.Pickler):
    """Storages become persistent ids, as torch.save has them."""

    def __init__(self, file, protocol, legacy):
        super().__init__(file, protocol)
        self.storages, self.legacy = [], legacy

    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        if value not in self.storages:
            self.storages.append(value)
        key = str(self.storages.index(value))
        return ("storage", value.kind, key, "cpu", value.count) + ((None,) if self.legacy else ())


def pickled(value, protocol, legacy=False):
    file = io.BytesIO()
    pickler = Pickler(file, protocol, legacy)
    pickler.dump(value)
    return file.getvalue(), pickler.storages


def save(name, value, protocol=2, code=None):
    data, storages = pickled(value, protocol)
    HERE.mkdir(exist_ok=True)
    with zipfile.ZipFile(HERE / name, "w") as archive:
        def add(entry, content, method=zipfile.ZIP_STORED):
            archive.writestr(zipfile.ZipInfo("m/" + entry), content, method)
        add("data.pkl", data)
        add("byteorder", b"little")
        for key, storage in enumerate(storages):
            add(f"data/{key}", storage.data)
        if code:
            add("code/__torch__.py", code, zipfile.ZIP_DEFLATED)
            add("constants.pkl", pickle.dumps((), 2))
        add("version", b"3\n")


def save_legacy(name, value, protocol=2, little_endian=True):
    data, storages = pickled(value, protocol, legacy=True)
    system = dict(protocol_version=1001, little_endian=little_endian, type_sizes=dict(short=2, int=4, long=4))
    head = [pickle.dumps(part, protocol) for part in (0x1950A86A20F9469CFC6C, 1001, system)]
    keys = pickle.dumps([str(key) for key in range(len(storages))], protocol)
    body = [struct.pack("<q", storage.count) + storage.data for storage in storages]
    (HERE / name).write_bytes(b"".join([*head, data, keys, *body]))


class Kind(enum.Enum):
    GROKKED = 1


@dataclasses.dataclass
class Config:
    lr: float = 1e-3
    widths: tuple = (2, 3)


Kind.__module__, Config.__module__ = "lab.config", "lab.config"
module("lab.config", Kind, Config)
beside = {
    "args": argparse.Namespace(lr=1e-3, seed=1),
    "config": Config(),
    "kind": Kind.GROKKED,
    "path": pathlib.PurePosixPath("runs/one"),
    "when": datetime.datetime(2024, 5, 6),
    "exact": decimal.Decimal("0.1"),
    "loss": Call(SCALAR, Call(DTYPE, "f8", False, True, state=(3, "<", None, None, None, -1, -1, 0)), b"\0" * 8),
    "counts": collections.Counter("grok"),
    "seen": collections.deque([1, 2], 5),
    "by_epoch": collections.defaultdict(list, {1: [0.5]}),
    "partial": functools.partial(int, "3", base=10),
    "range": range(3),
    "slice": slice(1, 2),
    "set": {1, 2},
    "frozen": frozenset({3}),
    "bytes": b"x" * 300,
    "array": bytearray(b"abc"),
    "numbers": array.array("d", [1.5]),
    "big": 2**2100,
    "negative": -(2**40),
    "complex": 1 + 2j,
    "type": int,
    "none": None,
    "long text": "x" * 300,
    "rng": over(Storage(LONG, struct.pack("<3q", 1, 2, 3), 3), (3,)),
    "losses": [over(floats(0.5), ()), over(floats(0.25), ())],
}
beside["itself"] = beside
unread = {
    "z": over(Storage(COMPLEX, b"\0" * 16, 2), (2,)),
    "q": Call(QUANTISED, floats(1), 0, (1,), (1,), (1, 1.0, 0), False, collections.OrderedDict()),
    "s": Call(SPARSE, 1, (floats(1), (1,), True)),
}
if __name__ == "__main__":
    for protocol in range(1, 6):
        save(f"beside-{protocol}.pt", {**beside, "model_state_dict": weights()}, protocol)
    save_legacy("legacy-beside.pt", {**beside, "net": weights("module.")}, 1)
    save_legacy("legacy-big-endian.pt", weights(), 2, little_endian=False)
    save("prefixes.pt", {"state_dict": weights("_orig_mod.module.net.inner.")})
    save("unread.pt", {**weights(), **unread})
    save("numpy-weights.pt", {**weights(), "W_U": Call(SCALAR, "f8", b"")})
    tied = over(floats(1, 2, 3, 4, 5, 6), (3, 2), (1, 3))
    window = floats(*range(0, 30))
    strided = {"W_x": over(window, (3, 2), (2, 1), 1), "W_y": over(window, (3, 2), (2, 1), 11)}
    save("strided.pt", {**strided, "W_U": over(floats(21, 24, 22, 25, 23, 26), (2, 3), (1, 2))})
    save_legacy("legacy-strided.pt", {**strided, "W_U": over(floats(21, 24, 22, 25, 23, 26), (2, 3), (1, 2))})
    save("tied.pt", {"W_x": tied, "W_y": tied, "W_U": matrix(21, 2, 3)})
    save("expanded.pt", {**weights(), "W_y": over(floats(11, 12), (3, 2), (0, 1))})
    subclass = {name: Call(FROM_TYPE, V2, SUBCLASS, tensor.value[1], {"tag": 1}) for name, tensor in weights().items()}
    save("subclass.pt", subclass)
    stateful = {name: Call(STATEFUL, tensor, True, collections.OrderedDict(), {"tag": 1}) for name, tensor in weights().items()}
    save("stateful.pt", stateful)
    save("module.pt", net(MINE, parameters(weights())))
    inner = net(MINE, {"W_x": matrix(1, 3, 2), "W_U": matrix(21, 2, 3)}, buffers={"W_y": matrix(11, 3, 2)})
    wrapper = net(MINE, modules={"inner": inner, "head": net(LINEAR, {"weight": matrix(31, 1, 1)})})
    wrapper.owner = wrapper
    save("module-nested.pt", {"epoch": 3, "model": wrapper})
    tables = {"lembed": {"weight": matrix(1, 3, 2)}, "rembed": {"weight": matrix(11, 3, 2)}}
    linear = {"weight": over(floats(*range(21, 27)), (3, 2), (1, 3)), "bias": over(floats(1, 2, 3), (3,))}
    parts = {name: net(LINEAR, held) for name, held in {**tables, "unembed": linear}.items()}
    save("module-parts.pt", net(MINE, modules=parts))
    norm = {"weight": over(floats(1, 1), (2,)), "bias": over(floats(1, 2), (2,))}
    norms = net(MINE, modules={"0": net(LINEAR, norm)})
    save("module-deep-bias.pt", net(MINE, parameters(weights()), {"norms": norms}))
    save("numpy-bias.pt", {**weights(), "b_U": Call(SCALAR, "f8", b"")})
    save("negated.pt", {**weights(), "W_U": Call(V2, *matrix(21, 2, 3).value[1], {"neg": True})})
    save_legacy("legacy-module.pt", net(MINE, parameters(weights())))
    ensemble = {str(k): net(MINE, parameters(weights(add=100 * k))) for k in (0, 1)}
    save("module-list.pt", net(MINE, modules={"nets": net(MINE, modules=ensemble)}))
    script = SCRIPT()
    script.__dict__.update(weights(), training=False)
    save("script.pt", script, code="class Net(Module):\n" + "  pass\n" * 50)
    save("history.pt", {"model_checkpoints": [weights(add=100 * k) for k in (2, 1, 0)], "losses": [3.0, 2.0, 1.0]})
    save("history-epochs.pt", {"states": {900: weights(), 100: weights(add=100), 20: weights(add=20)}})
    save("history-keys.pt", {f"epoch_{k}": {"model": weights(add=1000 - k)} for k in (900, 1000, 20)})
    save("history-beside.pt", {"model": weights(), "checkpoints": [weights(add=100)], "train_indices": matrix(1, 3, 2)})
    save("pairs.pt", list(weights().items()))
    save("averaged.pt", {"raw": weights(add=100), "ema": weights()})
    save("averaged-model.pt", {"model": weights(), "ema": weights("module.", add=100)})
    save("two-tuple.pt", (weights(), weights(add=100)))
