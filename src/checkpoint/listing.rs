//! Where the tensors of a file lie: a walk over what a pickle describes, or the plain names of another format.
//!
//! Containers, objects and tuples are visited once, nearest to the top first, without recursion; what is shared or
//! contains itself costs no more. An object stands for its state and its items, so a module saved whole gives its
//! parameters under the names its `state_dict()` has; a module that occurs twice is listed where it is met first.

use std::collections::VecDeque;

use super::machine::Machine;
use super::pickle::Value;

/// Containers nested deeper than this are not looked into.
const MAX_DEPTH: u8 = 16;
/// Longer keys are no names of weights.
const MAX_NAME: usize = 1024;
/// The dictionaries in the state of a `torch.nn.Module`.
const MODULE_STATE: [&str; 3] = ["_parameters", "_buffers", "_modules"];

/// One step from a container to what lies in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Top,
    /// The value of a text, by its index in [`Listing::texts`].
    Key(u32),
    /// The value of a number in a dictionary.
    Number(i32),
    /// An item of a list.
    Item(u32),
    /// An item of a tuple.
    Part(u32),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) parent: u32,
    pub(super) step: Step,
    /// Whether it is a module in another.
    pub(super) is_child: bool,
    depth: u8,
    /// The outermost module it is a module of; itself for anything else.
    root: u32,
}

/// A tensor or an object under a text in a container.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name {
    pub(super) place: u32,
    /// Index of its key in [`Listing::texts`].
    pub(super) key: u32,
    pub(super) value: Value,
}

/// All tensors of a file that have a name.
pub(super) struct Listing<'a> {
    pub(super) texts: &'a [&'a str],
    pub(super) places: Vec<Place>,
    pub(super) names: Vec<Name>,
}

impl<'a> Listing<'a> {
    /// The tensors of a format without containers.
    pub(super) fn flat(texts: &'a [&'a str]) -> Self {
        let names = (0..texts.len()).map(|key| Name { place: 0, key: key as u32, value: Value::Tensor(key as u32) });
        Self { texts, places: vec![TOP], names: names.collect() }
    }

    /// The tensors and objects that the value `top` leads to.
    pub(super) fn of(machine: &'a Machine<'_>, top: Value) -> Self {
        let mut walk = Walk {
            machine,
            listing: Self { texts: &machine.texts, places: vec![TOP], names: Vec::new() },
            containers: vec![false; machine.containers.len()],
            tuples: vec![false; machine.tuples.len()],
            objects: vec![false; machine.objects.len()],
            left: VecDeque::new(),
        };
        walk.enqueue(top, 0, false);
        while let Some((value, place, in_module)) = walk.left.pop_front() {
            walk.visit(value, place, in_module);
        }
        walk.listing
    }

    pub(super) fn key(&self, name: &Name) -> &'a str {
        self.texts[name.key as usize]
    }

    /// The outermost module that a place belongs to, else the place.
    pub(super) fn root(&self, place: u32) -> u32 {
        self.places[place as usize].root
    }

    /// For a name in a module of a module: the outer one, and what the inner one is called there.
    pub(super) fn in_module(&self, name: &Name) -> Option<(u32, &'a str)> {
        match self.places[name.place as usize] {
            Place { parent, step: Step::Key(key), is_child: true, .. } => Some((parent, self.texts[key as usize])),
            _ => None,
        }
    }

    /// The places on the way to one from another above it, which is left out; inner ones last.
    pub(super) fn way(&self, from: u32, mut place: u32) -> Vec<Place> {
        let mut way = Vec::new();
        while place != from && place != 0 {
            let here = self.places[place as usize];
            way.push(here);
            place = here.parent;
        }
        way.reverse();
        way
    }

    /// A place's path from another above it: `model`, `runs[2].state_dict`, empty for the place itself.
    pub(super) fn path(&self, from: u32, place: u32) -> String {
        let mut path = String::new();
        for here in self.way(from, place) {
            match here.step {
                Step::Top => {}
                Step::Key(key) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(self.texts[key as usize]);
                }
                Step::Number(n) => path.push_str(&format!("[{n}]")),
                Step::Item(n) | Step::Part(n) => path.push_str(&format!("[{n}]")),
            }
        }
        path
    }
}

const TOP: Place = Place { parent: 0, step: Step::Top, is_child: false, depth: 0, root: 0 };

struct Walk<'a, 'b> {
    machine: &'a Machine<'b>,
    listing: Listing<'a>,
    containers: Vec<bool>,
    tuples: Vec<bool>,
    objects: Vec<bool>,
    /// Values to be visited, the place that each is, and whether its parts are submodules of that place.
    left: VecDeque<(Value, u32, bool)>,
}

impl Walk<'_, '_> {
    /// Whether a value is met for the first time and may lead to a tensor.
    fn is_new(&mut self, value: Value) -> bool {
        let seen = match value {
            Value::Dict(i) | Value::List(i) if self.machine.containers[i as usize].first > 0 => {
                &mut self.containers[i as usize]
            }
            Value::Tuple(i) if self.machine.tuples[i as usize].len > 0 => &mut self.tuples[i as usize],
            Value::Object(i) => &mut self.objects[i as usize],
            _ => return false,
        };
        !std::mem::replace(seen, true)
    }

    fn enqueue(&mut self, value: Value, place: u32, in_module: bool) {
        if self.is_new(value) {
            self.left.push_back((value, place, in_module));
        }
    }

    /// Enqueues a value as a place of its own.
    fn descend(&mut self, value: Value, parent: u32, step: Step, in_module: bool) {
        let Place { depth, root, .. } = self.listing.places[parent as usize];
        if depth < MAX_DEPTH && self.is_new(value) {
            let place = self.listing.places.len() as u32;
            let root = if in_module { root } else { place };
            self.listing.places.push(Place { parent, step, is_child: in_module, depth: depth + 1, root });
            self.left.push_back((value, place, false));
        }
    }

    fn visit(&mut self, value: Value, place: u32, in_module: bool) {
        match value {
            Value::Dict(container) | Value::List(container) => self.items(container, place, in_module),
            Value::Tuple(tuple) => {
                let span = self.machine.tuples[tuple as usize];
                match self.machine.items[span.range()] {
                    [key @ Value::Text(_), value] => self.pair(key, value, place),
                    ref items => {
                        for (i, &item) in items.iter().enumerate() {
                            self.descend(item, place, Step::Part(i as u32), false);
                        }
                    }
                }
            }
            Value::Object(object) => {
                let object = self.machine.objects[object as usize];
                let scripted = matches!(object.class, Value::Global(class)
                    if self.machine.globals[class as usize].module.starts_with("__torch__"));
                for part in [object.state, object.arguments] {
                    match self.machine.span_of(part) {
                        Some(span) => {
                            self.machine.items[span.range()].iter().for_each(|&v| self.enqueue(v, place, scripted));
                        }
                        None => self.enqueue(part, place, scripted),
                    }
                }
                if object.items > 0 {
                    self.items(object.items - 1, place, scripted);
                }
            }
            _ => {}
        }
    }

    fn items(&mut self, container: u32, place: u32, in_module: bool) {
        let machine = self.machine;
        let mut entries = machine.items_of(Value::Dict(container));
        // A pair of a text and a value is an item of the dictionary that the list around it stands for.
        if let (Some((Value::Other, key @ Value::Text(_))), Some((Value::Other, value)), None) =
            (entries.next(), entries.next(), entries.next())
        {
            return self.pair(key, value, place);
        }
        for (i, (key, value)) in machine.items_of(Value::Dict(container)).enumerate() {
            match key {
                Value::Text(key) => self.named(key, value, place, in_module),
                Value::Int(n) => {
                    if let Ok(n) = i32::try_from(machine.ints[n as usize]) {
                        self.descend(value, place, Step::Number(n), in_module);
                    }
                }
                Value::Other => self.descend(value, place, Step::Item(i as u32), in_module),
                _ => {}
            }
        }
    }

    /// A text and a value as a list of pairs has them: in the container around the pair.
    fn pair(&mut self, key: Value, value: Value, place: u32) {
        if let Value::Text(key) = key {
            let around = self.listing.places[place as usize].parent;
            self.named(key, value, around, false);
        }
    }

    fn named(&mut self, key: u32, value: Value, place: u32, in_module: bool) {
        let text = self.machine.texts[key as usize];
        if text.len() > MAX_NAME {
            return;
        }
        if MODULE_STATE.contains(&text) && !matches!(value, Value::Tensor(_)) {
            return self.enqueue(value, place, true);
        }
        if matches!(value, Value::Tensor(_) | Value::Object(_)) {
            self.listing.names.push(Name { place, key, value });
        }
        self.descend(value, place, Step::Key(key), in_module);
    }
}
