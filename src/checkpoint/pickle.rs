//! What a pickle of `torch.save` describes: tensors, the containers they lie in, and objects that are never made.
//!
//! [`Machine`](super::machine::Machine) runs the opcodes; here are its values and the Python objects that mean something
//! to it ([`Known`]). Every other object a file names becomes an [`Object`]: its class's name, what it was called with
//! and the state it was given, and nothing is called or imported. Source of the names: PyTorch `torch/_utils.py`,
//! `torch/serialization.py`, `torch/_tensor.py`.

use std::fmt;
use std::ops::Range;

use super::element::{Dtype, Float8};
use super::file::shown;

/// A value on the machine's stack; numbers inside are indices into its arenas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    /// Anything that cannot be part of a tensor: None, numbers with a fraction, bytes, sets.
    Other,
    Bool(bool),
    Int(u32),
    Text(u32),
    Tuple(u32),
    /// A list, by its container.
    List(u32),
    /// A dictionary, by its container.
    Dict(u32),
    Object(u32),
    Global(u32),
    Storage(u32),
    Tensor(u32),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Class<'a> {
    pub(super) module: &'a str,
    pub(super) name: &'a str,
}

impl fmt::Display for Class<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&format!("{}.{}", self.module, self.name)))
    }
}

/// The Python functions and classes whose calls mean something here.
#[derive(Debug, Clone, Copy)]
pub(super) enum Known {
    OrderedDict,
    /// `_rebuild_tensor` and `_rebuild_tensor_v2`: the storage knows the element type.
    Tensor,
    /// `_rebuild_tensor_v3`: the element type is the seventh argument.
    TypedTensor,
    /// A parameter, whose first argument is its tensor.
    Parameter,
    /// A subclass: a function, the subclass, the function's arguments.
    Subclass,
}

impl Class<'_> {
    pub(super) fn known(self) -> Option<Known> {
        Some(match (self.module, self.name) {
            ("collections", "OrderedDict") => Known::OrderedDict,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Known::Tensor,
            ("torch._utils", "_rebuild_tensor_v3") => Known::TypedTensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state")
            | ("torch.nn.parameter", "Parameter" | "Buffer") => Known::Parameter,
            ("torch._tensor" | "torch.tensor", "_rebuild_from_type" | "_rebuild_from_type_v2") => Known::Subclass,
            _ => return None,
        })
    }

    /// What the elements of a storage of this class are; `None` for a class that is not read.
    pub(super) fn storage(self) -> Option<Elements> {
        Some(Elements::Of(match (self.module, self.name) {
            ("torch.storage" | "torch", "UntypedStorage") => return Some(Elements::Bytes),
            ("torch" | "torch.cuda", name) => match name {
                "FloatStorage" => Dtype::F32,
                "DoubleStorage" => Dtype::F64,
                "HalfStorage" => Dtype::F16,
                "BFloat16Storage" => Dtype::Bf16,
                "BoolStorage" => Dtype::Bool,
                "ByteStorage" => Dtype::U8,
                "CharStorage" => Dtype::I8,
                "ShortStorage" => Dtype::I16,
                "IntStorage" => Dtype::I32,
                "LongStorage" => Dtype::I64,
                _ => return None,
            },
            _ => return None,
        }))
    }

    /// The element type that a `torch.dtype` of this name is; `None` for one that is not read.
    pub(super) fn dtype(self) -> Option<Dtype> {
        Some(match (self.module, self.name) {
            ("torch", "float32") => Dtype::F32,
            ("torch", "float64") => Dtype::F64,
            ("torch", "float16") => Dtype::F16,
            ("torch", "bfloat16") => Dtype::Bf16,
            ("torch", "bool") => Dtype::Bool,
            ("torch", "uint8") => Dtype::U8,
            ("torch", "uint16") => Dtype::U16,
            ("torch", "uint32") => Dtype::U32,
            ("torch", "uint64") => Dtype::U64,
            ("torch", "int8") => Dtype::I8,
            ("torch", "int16") => Dtype::I16,
            ("torch", "int32") => Dtype::I32,
            ("torch", "int64") => Dtype::I64,
            ("torch", "float8_e4m3fn") => Dtype::F8(Float8::E4M3Fn),
            ("torch", "float8_e4m3fnuz") => Dtype::F8(Float8::E4M3FnUz),
            ("torch", "float8_e5m2") => Dtype::F8(Float8::E5M2),
            ("torch", "float8_e5m2fnuz") => Dtype::F8(Float8::E5M2FnUz),
            _ => return None,
        })
    }

    /// Bytes per element of a storage of this class, also of those that are only passed over.
    pub(super) fn element_size(self) -> Option<usize> {
        match (self.storage(), self.name) {
            (Some(Elements::Of(dtype)), _) => Some(dtype.size()),
            (Some(Elements::Bytes), _) => Some(1),
            (None, "ComplexDoubleStorage") => Some(16),
            (None, "ComplexFloatStorage") => Some(8),
            (None, "QInt32Storage") => Some(4),
            (None, "QInt8Storage" | "QUInt8Storage" | "QUInt4x2Storage" | "QUInt2x4Storage") => Some(1),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Elements {
    Of(Dtype),
    /// Bytes of the type that each tensor states.
    Bytes,
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

/// The items of a list or dictionary: a chain of entries.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Container {
    /// One more than the index of the first entry; 0 for none.
    pub(super) first: u32,
    pub(super) last: u32,
}

/// `container[key] = value`; the key of a list's item is [`Value::Other`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Where the next entry is, counted as in [`Container::first`].
    pub(super) next: u32,
    pub(super) key: Value,
    pub(super) value: Value,
}

/// An object that is not made: what was to be called, with what, and the state it was to be given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object {
    pub(super) class: Value,
    pub(super) arguments: Value,
    pub(super) state: Value,
    /// Its own items, where it is a kind of list or dictionary: one more than the container's index.
    pub(super) items: u32,
}

/// A storage: its class, the name of its bytes, the number of its elements and the first of them that counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storage<'a> {
    pub(super) class: Class<'a>,
    pub(super) key: &'a str,
    pub(super) len: i64,
    pub(super) start: i64,
}

/// A tensor as the pickle describes it, as many strides as axes; nothing is checked against the storage.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawTensor {
    pub(super) storage: u32,
    pub(super) offset: i64,
    pub(super) shape: Span,
    pub(super) stride: Span,
    /// A [`Value::Global`] where the tensor states its element type.
    pub(super) dtype: Value,
}
