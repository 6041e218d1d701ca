//! What the machine makes of calls, persistent ids and states: storages, tensors, and objects that are never made.

use super::machine::Machine;
use super::pickle::{Known, Object, RawTensor, Span, Storage, Value};
use crate::error::Result;

/// PyTorch's own limit on a tensor's axes.
const MAX_RANK: usize = 64;
/// How many subclasses of tensors may be wrapped in each other.
const MAX_WRAPPERS: usize = 8;

impl Machine<'_> {
    /// An object that is called for and not made.
    pub(super) fn object(&mut self, class: Value, arguments: Value) -> Result<()> {
        if !matches!(class, Value::Global(_) | Value::Object(_)) {
            return Err(self.bad("a call of a Python object", "a call of another value"));
        }
        self.stack.push(Value::Object(self.objects.len() as u32));
        self.objects.push(Object { class, arguments, state: Value::Other, items: 0 });
        Ok(())
    }

    pub(super) fn span_of(&self, value: Value) -> Option<Span> {
        if let Value::Tuple(tuple) = value { Some(self.tuples[tuple as usize]) } else { None }
    }

    fn int_of(&self, value: Value) -> Option<i64> {
        if let Value::Int(n) = value { Some(self.ints[n as usize]) } else { None }
    }

    /// The integers of a tuple, if it holds nothing else.
    pub(super) fn ints_of(&self, span: Span) -> Option<Vec<i64>> {
        self.items[span.range()].iter().map(|&value| self.int_of(value)).collect()
    }

    /// The keys and values of a list or dictionary, in their order; none of another value.
    pub(super) fn items_of(&self, value: Value) -> impl Iterator<Item = (Value, Value)> {
        let first = match value {
            Value::Dict(container) | Value::List(container) => self.containers[container as usize].first,
            _ => 0,
        };
        let entry = |index: u32| self.entries.get((index as usize).checked_sub(1)?);
        let entries = std::iter::successors(entry(first), move |last| entry(last.next));
        entries.map(|entry| (entry.key, entry.value))
    }

    /// BINPERSID: `("storage", type, key, location, length)`, and a view of it (before PyTorch 0.4); or, with modules
    /// saved whole before 1.6, `("module", class, file, source)`.
    pub(super) fn persistent(&mut self) -> Result<()> {
        let id = self.pop()?;
        let id = self.span_of(id).ok_or_else(|| self.bad("a tuple", "another value"))?;
        let (class, key, len, view) = match self.items[id.range()] {
            [Value::Text(kind), Value::Global(class), ..] if self.texts[kind as usize] == "module" => {
                self.stack.push(Value::Global(class));
                return Ok(());
            }
            [Value::Text(_), Value::Global(class), Value::Text(key), Value::Text(_), len] => (class, key, len, None),
            [Value::Text(_), Value::Global(class), Value::Text(key), Value::Text(_), len, view] => {
                (class, key, len, Some(view))
            }
            _ => return Err(self.bad("the five parts of a storage", "others")),
        };
        let start = match view.and_then(|view| self.span_of(view)) {
            Some(view) => match self.items[view.range()] {
                [_, start, _] => self.int_of(start),
                _ => None,
            },
            None => Some(0),
        };
        let (Some(len), Some(start)) = (self.int_of(len), start) else {
            return Err(self.bad("the five parts of a storage", "others"));
        };
        self.stack.push(Value::Storage(self.storages.len() as u32));
        let class = self.globals[class as usize];
        self.storages.push(Storage { class, key: self.texts[key as usize], len, start });
        Ok(())
    }

    /// REDUCE: a call, of which only those that make tensors and dictionaries mean anything.
    pub(super) fn reduce(&mut self) -> Result<()> {
        let arguments = self.pop()?;
        let function = self.pop()?;
        let Value::Tuple(tuple) = arguments else { return Err(self.bad("a tuple", "another value")) };
        match self.called(function, tuple)? {
            Some(value) => self.stack.push(value),
            None => self.object(function, arguments)?,
        }
        Ok(())
    }

    /// What a call makes, if that is a tensor or a dictionary.
    fn called(&mut self, mut function: Value, mut tuple: u32) -> Result<Option<Value>> {
        for _ in 0..MAX_WRAPPERS {
            let Value::Global(global) = function else { return Ok(None) };
            let known = self.globals[global as usize].known();
            let span = self.tuples[tuple as usize];
            let (raw, dtype) = match (known, &self.items[span.range()]) {
                (Some(Known::OrderedDict), []) => return Ok(Some(Value::Dict(self.container()))),
                (Some(Known::Parameter), &[tensor @ Value::Tensor(_), ..]) => return Ok(Some(tensor)),
                (Some(Known::Subclass), &[inner, _, Value::Tuple(arguments), ..]) => {
                    (function, tuple) = (inner, arguments);
                    continue;
                }
                // What is said behind the hooks, that the values are negated or conjugated, is not followed.
                (Some(Known::Tensor), &[_, _, _, _, _, _, Value::Dict(said), ..])
                | (Some(Known::TypedTensor), &[_, _, _, _, _, _, _, Value::Dict(said), ..])
                    if self.containers[said as usize].first > 0 =>
                {
                    return Ok(None);
                }
                (Some(Known::Tensor), &[Value::Storage(storage), offset, shape, stride, ..]) => {
                    ((storage, offset, shape, stride), Value::Other)
                }
                (
                    Some(Known::TypedTensor),
                    &[Value::Storage(storage), offset, shape, stride, _, _, dtype @ Value::Global(_), ..],
                ) => ((storage, offset, shape, stride), dtype),
                (Some(known @ (Known::Tensor | Known::TypedTensor)), [Value::Storage(_), ..]) => {
                    return Err(self.bad("a call that torch.save writes", format!("{known:?} with other arguments")));
                }
                _ => return Ok(None),
            };
            let (storage, offset, shape, stride) = raw;
            let (offset, shape, stride) = (self.int_of(offset), self.extents(shape), self.extents(stride));
            let stride = stride.filter(|stride| shape.is_some_and(|shape| shape.len == stride.len));
            let (Some(offset), Some(shape), Some(stride)) = (offset, shape, stride) else {
                return Err(self.bad("a shape and strides of the same length, at most 64", "others"));
            };
            self.tensors.push(RawTensor { storage, offset, shape, stride, dtype });
            return Ok(Some(Value::Tensor(self.tensors.len() as u32 - 1)));
        }
        Err(self.bad("a tensor wrapped a few times at most", "one wrapped more often"))
    }

    /// A tuple of at most 64 integers, or a `torch.Size` of them.
    fn extents(&self, value: Value) -> Option<Span> {
        let span = match value {
            Value::Object(object) => match self.items[self.span_of(self.objects[object as usize].arguments)?.range()] {
                [tuple] => self.span_of(tuple)?,
                _ => return None,
            },
            tuple => self.span_of(tuple)?,
        };
        (span.len as usize <= MAX_RANK && self.items[span.range()].iter().all(|&v| self.int_of(v).is_some()))
            .then_some(span)
    }

    /// BUILD: an object keeps its state; that of dictionaries (`_metadata`) and tensors says nothing of the weights.
    pub(super) fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        match self.top()? {
            Value::Object(object) => self.objects[object as usize].state = state,
            Value::Dict(_) | Value::Tensor(_) | Value::Storage(_) | Value::Global(_) => {}
            _ => return Err(self.bad("state set on an object", "state set on something else")),
        }
        Ok(())
    }
}
