//! What a pickle of `torch.save` may describe: dictionaries of tensors and nothing else.
//!
//! [`Machine`] runs the opcodes; here are its values, the list of Python objects a file may name ([`Global`]) and the
//! search for the state dict. Source of the names: PyTorch `torch/_utils.py`, `torch/serialization.py`.

use std::ops::Range;
use std::path::Path;

use super::element::Dtype;
use super::machine::Machine;
use crate::error::{Error, Result};

/// A value on the machine's stack; numbers inside are indices into its arenas.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    /// Anything that cannot be part of a tensor: None, numbers with a fraction, lists, bytes.
    Other,
    Int(i64),
    Text(u32),
    Tuple(Span),
    Dict(u32),
    Global(Global),
    Storage(u32),
    Tensor(u32),
}

/// The Python objects a file may name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Dtype),
}

impl Global {
    pub(super) fn named(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "FloatStorage") => Self::Storage(Dtype::F32),
            ("torch", "DoubleStorage") => Self::Storage(Dtype::F64),
            ("torch", "HalfStorage") => Self::Storage(Dtype::F16),
            ("torch", "BFloat16Storage") => Self::Storage(Dtype::Bf16),
            ("torch", "BoolStorage") => Self::Storage(Dtype::Bool),
            ("torch", "ByteStorage") => Self::Storage(Dtype::U8),
            ("torch", "CharStorage") => Self::Storage(Dtype::I8),
            ("torch", "ShortStorage") => Self::Storage(Dtype::I16),
            ("torch", "IntStorage") => Self::Storage(Dtype::I32),
            ("torch", "LongStorage") => Self::Storage(Dtype::I64),
            _ => return None,
        })
    }
}

/// A tuple's range of `Machine::items`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Span {
    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }
}

/// A storage: element type, entry name under `data/`, number of elements.
#[derive(Clone, Copy)]
pub(super) struct Storage<'a> {
    pub(super) dtype: Dtype,
    pub(super) key: &'a str,
    pub(super) len: i64,
}

#[derive(Clone, Copy)]
pub(super) struct RawTensor {
    pub(super) storage: u32,
    pub(super) offset: i64,
    pub(super) shape: Span,
    pub(super) stride: Span,
}

/// A tensor as the pickle describes it, as many strides as axes; nothing is checked against the storage.
pub(super) struct TensorInfo<'a> {
    pub(super) storage: Storage<'a>,
    pub(super) offset: i64,
    pub(super) shape: Vec<i64>,
    pub(super) stride: Vec<i64>,
}

/// `dict[key] = value`, kept where the key is a text and the value a dictionary or a tensor.
pub(super) struct Entry {
    pub(super) dict: u32,
    pub(super) key: u32,
    pub(super) value: Value,
}

/// A finished run: the machine and the dictionary of tensors in it.
pub(super) struct StateDict<'a> {
    machine: Machine<'a>,
    dict: u32,
}

impl<'a> StateDict<'a> {
    /// The named tensors in file order.
    pub(super) fn tensors(&self) -> impl Iterator<Item = (&'a str, TensorInfo<'a>)> {
        self.machine.tensors_of(self.dict).map(|(key, raw)| {
            let m = &self.machine;
            let info = TensorInfo {
                storage: m.storages[raw.storage as usize],
                offset: raw.offset,
                shape: m.ints(raw.shape).unwrap_or_default(),
                stride: m.ints(raw.stride).unwrap_or_default(),
            };
            (m.texts[key as usize], info)
        })
    }
}

/// Runs the pickle and returns the state dict in it: the top dictionary or, if that holds no tensor, the one in it
/// under `state_dict`, `model_state_dict` or `model`.
pub(super) fn state_dict<'a>(bytes: &'a [u8], path: &'a Path) -> Result<StateDict<'a>> {
    let mut machine = Machine::new(bytes, path);
    let top = machine.run()?;
    let found = if let Value::Dict(dict) = top {
        let nested = ["state_dict", "model_state_dict", "model"].map(|key| machine.dict_at(dict, key));
        let mut candidates = [Some(dict)].into_iter().chain(nested).flatten();
        candidates.find(|&d| machine.tensors_of(d).next().is_some())
    } else {
        None
    };
    match found {
        Some(dict) => Ok(StateDict { machine, dict }),
        None => Err(Error::Format {
            path: path.into(),
            expected: "a state dict of named tensors, or one under `state_dict`, `model_state_dict` or `model`",
            got: match top {
                Value::Dict(_) => "a dictionary without tensors".into(),
                Value::Tensor(_) => "a single tensor without a name".into(),
                _ => "another Python object".into(),
            },
        }),
    }
}

impl<'a> Machine<'a> {
    pub(super) fn ints(&self, span: Span) -> Option<Vec<i64>> {
        let int = |v: &Value| {
            if let Value::Int(n) = *v { Some(n) } else { None }
        };
        self.items[span.range()].iter().map(int).collect()
    }

    fn dict_at(&self, dict: u32, name: &str) -> Option<u32> {
        self.entries.iter().rev().find_map(|e| match e.value {
            Value::Dict(inner) if e.dict == dict && self.texts[e.key as usize] == name => Some(inner),
            _ => None,
        })
    }

    fn tensors_of(&self, dict: u32) -> impl Iterator<Item = (u32, RawTensor)> {
        self.entries.iter().filter_map(move |e| match e.value {
            Value::Tensor(t) if e.dict == dict => Some((e.key, self.tensors[t as usize])),
            _ => None,
        })
    }
}
