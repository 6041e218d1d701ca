//! A pickle machine that can build dictionaries of tensors and nothing else.
//!
//! Python's unpickler runs whatever the file asks for. This one knows the opcodes that `torch.save` writes (protocols 2
//! to 5) and a fixed list of globals; anything else is an error. It makes no Python objects: a value is a small copy that
//! points into flat arenas, so one that contains itself or a million copies of another costs nothing, and nothing
//! recurses. Each byte of input makes a bounded number of bytes of memory.
//!
//! Source of the opcodes: CPython `Lib/pickletools.py`.

use std::collections::BTreeMap;
use std::path::Path;

use super::file::shown;
use super::pickle::{Entry, Global, RawTensor, Span, Storage, Value};
use crate::error::{Error, Result};

/// PyTorch's own limit on a tensor's axes.
const MAX_RANK: usize = 64;

pub(super) struct Machine<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    /// Stack heights at the open marks.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Value>,
    pub(super) items: Vec<Value>,
    pub(super) texts: Vec<&'a str>,
    pub(super) storages: Vec<Storage<'a>>,
    pub(super) tensors: Vec<RawTensor>,
    pub(super) entries: Vec<Entry>,
    dicts: u32,
}

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a [u8], path: &'a Path) -> Self {
        Self {
            path,
            bytes,
            at: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: BTreeMap::new(),
            items: Vec::new(),
            texts: Vec::new(),
            storages: Vec::new(),
            tensors: Vec::new(),
            entries: Vec::new(),
            dicts: 0,
        }
    }

    /// Obeys opcodes up to STOP and returns the value then on top.
    pub(super) fn run(&mut self) -> Result<Value> {
        loop {
            match self.byte()? {
                b'.' => return self.pop(),
                0x80 => {
                    let protocol = self.byte()?;
                    if !(2..=5).contains(&protocol) {
                        return Err(self.bad("pickle protocol 2 to 5", format!("{protocol}")));
                    }
                }
                0x95 => self.skip(8)?, // FRAME
                b'(' => self.marks.push(self.stack.len()),
                b'0' => drop(self.pop()?),
                b'1' => self.discard_to_mark()?,
                b'2' => self.stack.push(self.top()?),
                b'N' | 0x88 | 0x89 | b']' | 0x8f => self.stack.push(Value::Other), // None, true, false, list, set
                b'G' => {
                    self.skip(8)?;
                    self.stack.push(Value::Other);
                }
                b'K' => self.int(1, false)?,
                b'M' => self.int(2, false)?,
                b'J' => self.int(4, true)?,
                0x8a => {
                    let len = self.length(1)?;
                    self.int(len, true)?;
                }
                0x8b => {
                    let len = self.length(4)?;
                    self.int(len, true)?;
                }
                0x8c => self.text(1)?,
                b'X' => self.text(4)?,
                0x8d => self.text(8)?,
                b'C' | b'U' => self.opaque(1)?, // BINBYTES and BINSTRING, short and long
                b'B' | b'T' => self.opaque(4)?,
                0x8e | 0x96 => self.opaque(8)?,
                b'}' => {
                    let dict = self.new_dict();
                    self.stack.push(dict);
                }
                b')' => self.tuple(self.stack.len())?,
                op @ 0x85..=0x87 => {
                    let start = self.below(usize::from(op - 0x84))?;
                    self.tuple(start)?;
                }
                b't' => {
                    let start = self.pop_mark()?;
                    self.tuple(start)?;
                }
                b'a' => drop(self.pop()?), // APPEND: what lists and sets hold is of no use
                b'e' | 0x90 => self.discard_to_mark()?,
                0x91 => {
                    self.discard_to_mark()?;
                    self.stack.push(Value::Other);
                }
                b's' => {
                    let start = self.below(2)?;
                    self.set_items(start)?;
                }
                b'u' => {
                    let start = self.pop_mark()?;
                    self.set_items(start)?;
                }
                b'q' => self.memoize(1)?,
                b'r' => self.memoize(4)?,
                0x94 => drop(self.memo.insert(self.memo.len() as u32, self.top()?)),
                b'h' => self.recall(1)?,
                b'j' => self.recall(4)?,
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.global(module, name)?;
                }
                b'i' => {
                    let (module, name) = (self.line()?, self.line()?);
                    return Err(self.not_allowed(module, name)); // INST: no allowed object is made by it
                }
                0x93 => {
                    let (name, module) = (self.pop_text()?, self.pop_text()?);
                    self.global(module, name)?;
                }
                b'Q' => self.persistent()?,
                b'R' => self.reduce()?,
                b'b' => {
                    self.pop()?; // BUILD: the state dict's `_metadata`
                    if !matches!(self.top()?, Value::Dict(_)) {
                        return Err(self.bad("state set on a dictionary", "state set on something else"));
                    }
                }
                op => return Err(self.bad("an opcode of torch.save", format!("{op:#04x}"))),
            }
        }
    }

    // ---- reading ----------------------------------------------------------------------------------

    fn bad(&self, expected: &'static str, got: impl Into<String>) -> Error {
        Error::Pickle { path: self.path.into(), offset: self.at, expected, got: got.into() }
    }

    fn not_allowed(&self, module: &str, name: &str) -> Error {
        Error::UnsafePickle { path: self.path.into(), global: shown(&format!("{module}.{name}")) }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(len);
        let taken = end
            .and_then(|end| self.bytes.get(self.at..end))
            .ok_or_else(|| self.bad("more bytes", format!("{len} wanted of {} left", self.bytes.len() - self.at)))?;
        self.at += len;
        Ok(taken)
    }

    fn skip(&mut self, len: usize) -> Result<()> {
        self.take(len).map(drop)
    }

    fn byte(&mut self) -> Result<u8> {
        self.take(1).map(|b| b[0])
    }

    /// A little-endian integer of `len` bytes, at most 8 of which count.
    fn number(&mut self, len: usize) -> Result<u64> {
        Ok(self.take(len)?.iter().take(8).rev().fold(0, |n, &b| n << 8 | u64::from(b)))
    }

    fn length(&mut self, len: usize) -> Result<usize> {
        let n = self.number(len)?;
        usize::try_from(n).map_err(|_| self.bad("a length in memory", format!("{n}")))
    }

    fn line(&mut self) -> Result<&'a str> {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        let line = self.take(len)?;
        self.skip(1)?;
        str::from_utf8(line).map_err(|_| self.bad("a name in UTF-8", "another encoding"))
    }

    // ---- the stack --------------------------------------------------------------------------------

    /// The stack position `n` values down, which no open mark may lie above.
    fn below(&self, n: usize) -> Result<usize> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let start = self.stack.len().checked_sub(n).filter(|&start| start >= floor);
        start.ok_or_else(|| self.bad("more values on the stack", format!("{}", self.stack.len() - floor)))
    }

    fn top(&self) -> Result<Value> {
        self.below(1).map(|at| self.stack[at])
    }

    fn pop(&mut self) -> Result<Value> {
        let at = self.below(1)?;
        Ok(self.stack.remove(at))
    }

    fn pop_text(&mut self) -> Result<&'a str> {
        match self.pop()? {
            Value::Text(i) => Ok(self.texts[i as usize]),
            _ => Err(self.bad("a text", "another value")),
        }
    }

    /// Closes the last mark; the values above it start at the position returned.
    fn pop_mark(&mut self) -> Result<usize> {
        self.marks.pop().ok_or_else(|| self.bad("an open mark", "none"))
    }

    fn discard_to_mark(&mut self) -> Result<()> {
        let start = self.pop_mark()?;
        self.stack.truncate(start);
        Ok(())
    }

    fn memoize(&mut self, len: usize) -> Result<()> {
        let key = self.number(len)? as u32; // at most four bytes
        self.memo.insert(key, self.top()?);
        Ok(())
    }

    fn recall(&mut self, len: usize) -> Result<()> {
        let key = self.number(len)? as u32;
        let value = self.memo.get(&key).copied();
        self.stack.push(value.ok_or_else(|| self.bad("a memo entry made before", format!("{key}")))?);
        Ok(())
    }

    // ---- making values ----------------------------------------------------------------------------

    fn int(&mut self, len: usize, signed: bool) -> Result<()> {
        let n = self.number(len)?;
        let unused = 64 - 8 * len.min(8) as u32;
        self.stack.push(match len {
            0 => Value::Int(0),
            1..=8 if signed => Value::Int((n << unused) as i64 >> unused),
            1..=7 => Value::Int(n as i64),
            _ => Value::Other,
        });
        Ok(())
    }

    fn text(&mut self, len: usize) -> Result<()> {
        let len = self.length(len)?;
        let text = str::from_utf8(self.take(len)?).map_err(|_| self.bad("a text in UTF-8", "another encoding"))?;
        self.stack.push(Value::Text(self.texts.len() as u32)); // fewer than bytes, which are below 4 GiB
        self.texts.push(text);
        Ok(())
    }

    fn opaque(&mut self, len: usize) -> Result<()> {
        let len = self.length(len)?;
        self.skip(len)?;
        self.stack.push(Value::Other);
        Ok(())
    }

    fn new_dict(&mut self) -> Value {
        self.dicts += 1;
        Value::Dict(self.dicts - 1)
    }

    fn tuple(&mut self, start: usize) -> Result<()> {
        let span = Span { start: self.items.len() as u32, len: (self.stack.len() - start) as u32 };
        self.items.extend(self.stack.drain(start..));
        self.stack.push(Value::Tuple(span));
        Ok(())
    }

    fn set_items(&mut self, start: usize) -> Result<()> {
        let Some(Value::Dict(dict)) = start.checked_sub(1).map(|below| self.stack[below]) else {
            return Err(self.bad("a dictionary to set items of", "another value"));
        };
        let (pairs, []) = self.stack[start..].as_chunks() else {
            return Err(self.bad("keys and values in pairs", "an odd number"));
        };
        self.entries.extend(pairs.iter().filter_map(|&[key, value]| match (key, value) {
            (Value::Text(key), Value::Dict(_) | Value::Tensor(_)) => Some(Entry { dict, key, value }),
            _ => None,
        }));
        self.stack.truncate(start);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<()> {
        let global = Global::named(module, name).ok_or_else(|| self.not_allowed(module, name))?;
        self.stack.push(Value::Global(global));
        Ok(())
    }

    fn pop_tuple(&mut self) -> Result<Span> {
        match self.pop()? {
            Value::Tuple(span) => Ok(span),
            _ => Err(self.bad("a tuple", "another value")),
        }
    }

    /// BINPERSID: `("storage", type, key, location, length)`.
    fn persistent(&mut self) -> Result<()> {
        let id = self.pop_tuple()?;
        let &[Value::Text(_), Value::Global(Global::Storage(dtype)), Value::Text(key), Value::Text(_), Value::Int(len)] =
            &self.items[id.range()]
        else {
            return Err(self.bad("the five parts of a storage", "others"));
        };
        self.stack.push(Value::Storage(self.storages.len() as u32));
        self.storages.push(Storage { dtype, key: self.texts[key as usize], len });
        Ok(())
    }

    /// REDUCE: a call of one of the allowed globals.
    fn reduce(&mut self) -> Result<()> {
        let span = self.pop_tuple()?;
        let function = self.pop()?;
        let made = match (function, &self.items[span.range()]) {
            (Value::Global(Global::OrderedDict), []) => self.new_dict(),
            (Value::Global(Global::RebuildParameter), &[Value::Tensor(tensor), _, _]) => Value::Tensor(tensor),
            (
                Value::Global(Global::RebuildTensor),
                &[Value::Storage(storage), Value::Int(offset), Value::Tuple(shape), Value::Tuple(stride), ..],
            ) => {
                let well_formed = shape.len == stride.len
                    && shape.len as usize <= MAX_RANK
                    && self.ints(shape).is_some()
                    && self.ints(stride).is_some();
                if !well_formed {
                    return Err(self.bad("a shape and strides of the same length, at most 64", "others"));
                }
                self.tensors.push(RawTensor { storage, offset, shape, stride });
                Value::Tensor(self.tensors.len() as u32 - 1)
            }
            (Value::Global(global), _) => {
                return Err(self.bad("a call that torch.save writes", format!("{global:?} with other arguments")));
            }
            _ => return Err(self.bad("a call of an allowed global", "a call of another value")),
        };
        self.stack.push(made);
        Ok(())
    }
}
