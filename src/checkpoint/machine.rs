//! A pickle machine that makes no Python objects.
//!
//! Python's unpickler runs whatever the file asks for. This one knows the opcodes that Python's picklers write (protocols
//! 0 to 5) and calls nothing: a value is a small copy that points into flat arenas, so one that contains itself or a
//! million copies of another costs nothing, and nothing recurses. Each byte of input makes a bounded number of bytes of
//! memory.
//!
//! Source of the opcodes: CPython `Lib/pickletools.py`.

use std::collections::BTreeMap;
use std::path::Path;

use super::file::shown;
use super::pickle::{Class, Container, Entry, Object, RawTensor, Span, Storage, Value};
use crate::error::{Error, Result};

pub(super) struct Machine<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
    pub(super) stack: Vec<Value>,
    /// Stack heights at the open marks.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Value>,
    pub(super) items: Vec<Value>,
    pub(super) tuples: Vec<Span>,
    pub(super) ints: Vec<i64>,
    pub(super) texts: Vec<&'a str>,
    pub(super) globals: Vec<Class<'a>>,
    pub(super) storages: Vec<Storage<'a>>,
    pub(super) tensors: Vec<RawTensor>,
    pub(super) containers: Vec<Container>,
    pub(super) entries: Vec<Entry>,
    pub(super) objects: Vec<Object>,
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
            tuples: vec![Span { start: 0, len: 0 }], // the empty one is made once
            ints: Vec::new(),
            texts: Vec::new(),
            globals: Vec::new(),
            storages: Vec::new(),
            tensors: Vec::new(),
            containers: Vec::new(),
            entries: Vec::new(),
            objects: Vec::new(),
        }
    }

    /// Obeys opcodes up to STOP and returns the value then on top; a pickle that follows is run by the next call.
    pub(super) fn run(&mut self) -> Result<Value> {
        let top = self.obey()?;
        (self.stack, self.marks, self.memo) = Default::default();
        Ok(top)
    }

    /// The position after the last STOP.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn obey(&mut self) -> Result<Value> {
        loop {
            let op = self.byte()?;
            // Where the values begin that the opcode takes: above the last mark, or so many from the top.
            let start = match op {
                b'1' | b'd' | b'e' | b'l' | b'o' | b't' | b'u' | 0x90 | 0x91 => self.pop_mark()?,
                b'a' => self.below(1)?,
                b's' => self.below(2)?,
                0x85..=0x87 => self.below(usize::from(op - 0x84))?,
                _ => self.stack.len(),
            };
            match op {
                b'.' => return self.pop(),
                0x80 => {
                    let protocol = self.byte()?;
                    if protocol > 5 {
                        return Err(self.bad("pickle protocol 0 to 5", format!("{protocol}")));
                    }
                }
                0x95 => self.skip(8)?, // FRAME
                b'(' => self.marks.push(self.stack.len()),
                b'0' => match self.marks.last() {
                    Some(&mark) if mark == self.stack.len() => drop(self.marks.pop()), // POP of a mark
                    _ => drop(self.pop()?),
                },
                b'1' => self.stack.truncate(start),
                b'2' => self.stack.push(self.top()?),
                b'N' | 0x8f => self.stack.push(Value::Other), // None, set
                0x88 => self.stack.push(Value::Bool(true)),
                0x89 => self.stack.push(Value::Bool(false)),
                b'G' => {
                    self.skip(8)?;
                    self.stack.push(Value::Other);
                }
                b'F' => {
                    self.line()?;
                    self.stack.push(Value::Other);
                }
                b'I' | b'L' => self.int_line()?,
                b'K' => self.int(1, false)?,
                b'M' => self.int(2, false)?,
                b'J' => self.int(4, true)?,
                0x8a | 0x8b => {
                    let len = self.length(if op == 0x8a { 1 } else { 4 })?;
                    self.int(len, true)?;
                }
                0x8c | b'U' => self.text(1)?, // SHORT_BINUNICODE, SHORT_BINSTRING
                b'X' | b'T' => self.text(4)?, // BINUNICODE, BINSTRING
                0x8d => self.text(8)?,
                b'S' | b'V' => {
                    let line = self.line()?;
                    let quoted = [('\'', '\''), ('"', '"')];
                    let inner = quoted.iter().find_map(|&(a, b)| line.strip_prefix(a)?.strip_suffix(b));
                    self.push_text(inner.unwrap_or(line));
                }
                b'C' => self.opaque(1)?,
                b'B' => self.opaque(4)?,
                0x8e | 0x96 => self.opaque(8)?, // BINBYTES8, BYTEARRAY8
                b'}' | b'd' => {
                    let container = self.container();
                    self.stack.insert(start, Value::Dict(container));
                    self.set_items(start + 1)?;
                }
                b']' | b'l' => {
                    let container = self.container();
                    self.stack.insert(start, Value::List(container));
                    self.append(start + 1)?;
                }
                b')' | b't' | 0x85..=0x87 => self.tuple(start),
                b'a' | b'e' => self.append(start)?,
                b's' | b'u' => self.set_items(start)?,
                0x90 => {
                    self.stack.truncate(start); // ADDITEMS: what sets hold has no name
                    self.top()?;
                }
                0x91 => {
                    self.stack.truncate(start);
                    self.stack.push(Value::Other);
                }
                b'q' => self.memoize(1)?,
                b'r' => self.memoize(4)?,
                b'p' => {
                    let key = self.key_line()?;
                    self.memo.insert(key, self.top()?);
                }
                0x94 => drop(self.memo.insert(self.memo.len() as u32, self.top()?)),
                b'h' | b'j' => {
                    let key = self.number(if op == b'h' { 1 } else { 4 })? as u32;
                    self.recall(key)?;
                }
                b'g' => {
                    let key = self.key_line()?;
                    self.recall(key)?;
                }
                b'c' => {
                    let class = self.class_lines()?;
                    self.global(class);
                }
                0x93 => {
                    let (name, module) = (self.pop_text()?, self.pop_text()?);
                    self.global(Class { module, name });
                }
                b'i' => {
                    let class = self.class_lines()?;
                    let start = self.pop_mark()?;
                    self.tuple(start);
                    let arguments = self.pop()?;
                    self.global(class);
                    let class = self.pop()?;
                    self.object(class, arguments)?;
                }
                b'o' => {
                    if start == self.stack.len() {
                        return Err(self.bad("a class and what it is called with", "nothing"));
                    }
                    self.tuple(start + 1);
                    let (arguments, class) = (self.pop()?, self.pop()?);
                    self.object(class, arguments)?;
                }
                0x81 => {
                    let (arguments, class) = (self.pop()?, self.pop()?);
                    self.object(class, arguments)?;
                }
                0x92 => {
                    let (_, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                    self.object(class, arguments)?;
                }
                b'Q' => self.persistent()?,
                b'R' => self.reduce()?,
                b'b' => self.build()?,
                _ => return Err(self.bad("an opcode of a pickle that stands by itself", format!("{op:#04x}"))),
            }
        }
    }

    // ---- reading ----------------------------------------------------------------------------------

    pub(super) fn bad(&self, expected: &'static str, got: impl Into<String>) -> Error {
        Error::Pickle { path: self.path.into(), offset: self.at, expected, got: got.into() }
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
        str::from_utf8(line).map_err(|_| self.bad("a line in UTF-8", "another encoding"))
    }

    /// INT and LONG of protocol 0, and its truth values `00` and `01`.
    fn int_line(&mut self) -> Result<()> {
        let line = self.line()?;
        let value = match line {
            "00" => Value::Bool(false),
            "01" => Value::Bool(true),
            _ => match line.strip_suffix('L').unwrap_or(line).parse() {
                Ok(n) => self.new_int(n),
                Err(_) => Value::Other, // beyond 64 bits
            },
        };
        self.stack.push(value);
        Ok(())
    }

    fn key_line(&mut self) -> Result<u32> {
        let line = self.line()?;
        line.parse().map_err(|_| self.bad("a memo entry's number", shown(line)))
    }

    fn class_lines(&mut self) -> Result<Class<'a>> {
        Ok(Class { module: self.line()?, name: self.line()? })
    }

    // ---- the stack --------------------------------------------------------------------------------

    /// The stack position `n` values down, which no open mark may lie above.
    fn below(&self, n: usize) -> Result<usize> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let start = self.stack.len().checked_sub(n).filter(|&start| start >= floor);
        start.ok_or_else(|| self.bad("more values on the stack", format!("{}", self.stack.len() - floor)))
    }

    pub(super) fn top(&self) -> Result<Value> {
        self.below(1).map(|at| self.stack[at])
    }

    pub(super) fn pop(&mut self) -> Result<Value> {
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

    fn memoize(&mut self, len: usize) -> Result<()> {
        let key = self.number(len)? as u32; // at most four bytes
        self.memo.insert(key, self.top()?);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<()> {
        let value = self.memo.get(&key).copied();
        self.stack.push(value.ok_or_else(|| self.bad("a memo entry made before", format!("{key}")))?);
        Ok(())
    }

    // ---- making values ----------------------------------------------------------------------------

    /// Arenas hold fewer values than the file has bytes; their indices and spans are 32 bits wide, which
    /// [`read_bytes`](super::torch::read_bytes) sees to.
    fn new_int(&mut self, n: i64) -> Value {
        self.ints.push(n);
        Value::Int(self.ints.len() as u32 - 1)
    }

    fn int(&mut self, len: usize, signed: bool) -> Result<()> {
        let n = self.number(len)?;
        let unused = 64 - 8 * len.min(8) as u32;
        let value = match len {
            0 => self.new_int(0),
            1..=8 if signed => self.new_int((n << unused) as i64 >> unused),
            1..=7 => self.new_int(n as i64),
            _ => Value::Other,
        };
        self.stack.push(value);
        Ok(())
    }

    fn push_text(&mut self, text: &'a str) {
        self.stack.push(Value::Text(self.texts.len() as u32));
        self.texts.push(text);
    }

    fn text(&mut self, len: usize) -> Result<()> {
        let len = self.length(len)?;
        // Python 2's texts are bytes of any encoding, and Python 3's may hold surrogates: neither names weights.
        match str::from_utf8(self.take(len)?) {
            Ok(text) => self.push_text(text),
            Err(_) => self.stack.push(Value::Other),
        }
        Ok(())
    }

    fn opaque(&mut self, len: usize) -> Result<()> {
        let len = self.length(len)?;
        self.skip(len)?;
        self.stack.push(Value::Other);
        Ok(())
    }

    pub(super) fn container(&mut self) -> u32 {
        self.containers.push(Container::default());
        self.containers.len() as u32 - 1
    }

    fn tuple(&mut self, start: usize) {
        if start == self.stack.len() {
            self.stack.push(Value::Tuple(0));
            return;
        }
        let span = Span { start: self.items.len() as u32, len: (self.stack.len() - start) as u32 };
        self.items.extend(self.stack.drain(start..));
        self.stack.push(Value::Tuple(self.tuples.len() as u32));
        self.tuples.push(span);
    }

    fn global(&mut self, class: Class<'a>) {
        self.stack.push(Value::Global(self.globals.len() as u32));
        self.globals.push(class);
    }

    /// The container of the value below `start`, on which items from there on are to be set.
    fn target(&mut self, start: usize, pairs: bool) -> Result<u32> {
        let target = start.checked_sub(1).map(|below| self.stack[below]);
        match target {
            Some(Value::Dict(container)) if pairs => Ok(container),
            Some(Value::List(container)) if !pairs => Ok(container),
            Some(Value::Object(object)) => {
                let items = self.objects[object as usize].items;
                if items > 0 {
                    return Ok(items - 1);
                }
                let container = self.container();
                self.objects[object as usize].items = container + 1;
                Ok(container)
            }
            _ if pairs => Err(self.bad("a dictionary to set items of", "another value")),
            _ => Err(self.bad("a list to append to", "another value")),
        }
    }

    fn add(&mut self, container: u32, key: Value, value: Value) {
        self.entries.push(Entry { next: 0, key, value });
        let (index, container) = (self.entries.len() as u32, &mut self.containers[container as usize]);
        if container.first == 0 {
            container.first = index;
        } else {
            self.entries[container.last as usize - 1].next = index;
        }
        container.last = index;
    }

    fn append(&mut self, start: usize) -> Result<()> {
        let container = self.target(start, false)?;
        self.entries.reserve(self.stack.len() - start);
        for at in start..self.stack.len() {
            self.add(container, Value::Other, self.stack[at]);
        }
        self.stack.truncate(start);
        Ok(())
    }

    fn set_items(&mut self, start: usize) -> Result<()> {
        let container = self.target(start, true)?;
        let count = self.stack.len() - start;
        if !count.is_multiple_of(2) {
            return Err(self.bad("keys and values in pairs", "an odd number"));
        }
        self.entries.reserve(count / 2);
        for at in (start..self.stack.len()).step_by(2) {
            self.add(container, self.stack[at], self.stack[at + 1]);
        }
        self.stack.truncate(start);
        Ok(())
    }
}
