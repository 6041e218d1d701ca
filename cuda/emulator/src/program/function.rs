//! Function bodies: scopes, labels, calls, and the dispatch of instructions to the files that decode them.

use std::collections::HashMap;

use super::builder::{Builder, Label, Symbol};
use super::lanewise::unary;
use super::{Action, arithmetic, bits, collective, compare, convert, float, integer, memory, moves};
use crate::machine::registers::Register;
use crate::ptx::LoadError;
use crate::ptx::syntax::{Function, Instruction, Operand, Statement};
use crate::ptx::types::Type;

/// An instruction being decoded: its modifiers are taken one by one, and none may be left over.
pub struct Decoder<'b, 'm, 'i> {
    /// The program so far.
    pub builder: &'b mut Builder<'m>,
    /// The instruction as written.
    pub instruction: &'i Instruction,
    modifiers: Vec<&'i str>,
    types: std::vec::IntoIter<Type>,
    narrowed: Vec<(Type, u32, u32)>,
}

impl<'b, 'm, 'i> Decoder<'b, 'm, 'i> {
    fn new(builder: &'b mut Builder<'m>, instruction: &'i Instruction) -> Self {
        let (types, modifiers): (Vec<&str>, Vec<&str>) =
            instruction.modifiers.iter().map(String::as_str).partition(|word| Type::parse(word).is_some());
        let types = types.into_iter().filter_map(Type::parse).collect::<Vec<_>>().into_iter();
        Self { builder, instruction, modifiers, types, narrowed: Vec::new() }
    }

    /// An error that quotes the instruction.
    pub fn error(&self, message: impl std::fmt::Display) -> LoadError {
        self.builder.error(format!("{}: {message}", self.instruction.full_opcode()))
    }

    /// Whether the modifier `name` was given; takes it.
    pub fn take(&mut self, name: &str) -> bool {
        let found = self.modifiers.iter().position(|word| *word == name);
        found.map(|index| self.modifiers.remove(index)).is_some()
    }

    /// Takes the first of `choices` that was given.
    pub fn take_choice<T: Copy>(&mut self, choices: &[(&str, T)]) -> Option<T> {
        choices.iter().find_map(|(name, value)| self.take(name).then_some(*value))
    }

    /// The next type of the opcode.
    ///
    /// # Errors
    /// The opcode has no further type.
    pub fn kind(&mut self) -> Result<Type, LoadError> {
        self.types.next().ok_or_else(|| self.error("missing type"))
    }

    /// Operand number `index`.
    ///
    /// # Errors
    /// There are fewer operands.
    pub fn operand(&self, index: usize) -> Result<&'i Operand, LoadError> {
        self.instruction.operands.get(index).ok_or_else(|| self.error(format!("operand {index} is missing")))
    }

    /// How many operands there are.
    pub fn operand_count(&self) -> usize {
        self.instruction.operands.len()
    }

    /// The register index of source operand `index` in the bank for `kind`.
    ///
    /// # Errors
    /// An operand that is not a value of that type.
    pub fn source(&mut self, index: usize, kind: Type) -> Result<u32, LoadError> {
        let operand = self.operand(index)?;
        self.source_operand(operand, kind)
    }

    /// Like [`Self::source`] for an operand inside a vector.
    ///
    /// # Errors
    /// An operand that is not a value of that type.
    pub fn source_operand(&mut self, operand: &Operand, kind: Type) -> Result<u32, LoadError> {
        match (self.builder.value(operand, kind)?, kind.bytes()) {
            (Register::Predicate(_), _) => Err(self.error("a predicate is not a number")),
            (Register::Word(index), 1..=4) | (Register::Long(index), 8) => Ok(index),
            (Register::Word(_), _) => Err(self.error(format!("{operand:?} is too narrow for {kind:?}"))),
            (Register::Long(wide), _) => {
                let index = self.scratch(Type::U32);
                self.builder.compute(unary(index, wide, |x: u64| x as u32));
                Ok(index)
            }
        }
    }

    /// The index of a new register for numbers of type `kind`.
    pub fn scratch(&mut self, kind: Type) -> u32 {
        match self.builder.new_register(kind) {
            Register::Word(index) | Register::Long(index) | Register::Predicate(index) => index,
        }
    }

    /// Source operands `first..first + N`, all of type `kind`.
    ///
    /// # Errors
    /// See [`Self::source`].
    pub fn sources<const N: usize>(&mut self, first: usize, kind: Type) -> Result<[u32; N], LoadError> {
        let mut indices = [0; N];
        for (position, index) in indices.iter_mut().enumerate() {
            *index = self.source(first + position, kind)?;
        }
        Ok(indices)
    }

    /// A predicate operand: its index, and whether it is negated.
    ///
    /// # Errors
    /// An operand that is not a predicate.
    pub fn predicate(&mut self, index: usize) -> Result<(u32, bool), LoadError> {
        let (operand, negated) = match self.operand(index)? {
            Operand::Not(name) => (Operand::Name(name.clone()), true),
            other => (other.clone(), false),
        };
        match self.builder.value(&operand, Type::Pred)? {
            Register::Predicate(index) => Ok((index, negated)),
            _ => Err(self.error(format!("{operand:?} is not a predicate"))),
        }
    }

    /// The destination predicate called `name`; nothing for `_`.
    ///
    /// # Errors
    /// A name that is not a predicate.
    pub fn predicate_named(&mut self, name: &str) -> Result<Option<u32>, LoadError> {
        match (name, self.builder.lookup(name)) {
            ("_", _) => Ok(None),
            (_, Some(Symbol::Register(Register::Predicate(index)))) => Ok(Some(index)),
            _ => Err(self.error(format!("{name} is not a predicate"))),
        }
    }

    /// The register of destination operand `index`; nothing for `_`.
    ///
    /// # Errors
    /// An operand that is not a register.
    pub fn destination_register(&mut self, operand: &Operand) -> Result<Option<Register>, LoadError> {
        let Operand::Name(name) = operand else {
            return Err(self.error(format!("{operand:?} is not a register")));
        };
        match (name.as_str(), self.builder.lookup(name)) {
            ("_", _) => Ok(None),
            (_, Some(Symbol::Register(register))) => Ok(Some(register)),
            _ => Err(self.error(format!("{name} is not a register"))),
        }
    }

    /// The register index of destination operand `index` in the bank for `kind`. A wider register is extended
    /// from it, with the sign of `kind`, after the instruction.
    ///
    /// # Errors
    /// An operand that is not a register.
    pub fn destination(&mut self, index: usize, kind: Type) -> Result<u32, LoadError> {
        let operand = self.operand(index)?;
        self.destination_operand(operand, kind)
    }

    /// Like [`Self::destination`] for an operand inside a vector.
    ///
    /// # Errors
    /// An operand that is not a register.
    pub fn destination_operand(&mut self, operand: &Operand, kind: Type) -> Result<u32, LoadError> {
        let register = self.destination_register(operand)?.unwrap_or_else(|| self.builder.new_register(kind));
        match (register, kind.bytes()) {
            (Register::Predicate(_), _) => Err(self.error("a predicate cannot hold a number")),
            (Register::Word(index), 1..=4) | (Register::Long(index), 8) => Ok(index),
            (Register::Word(_), _) => Err(self.error(format!("{operand:?} is too narrow for {kind:?}"))),
            (Register::Long(wide), _) => {
                let index = self.scratch(Type::U32);
                self.narrowed.push((kind, wide, index));
                Ok(index)
            }
        }
    }

    /// Checks that everything was understood, and widens results that went to wider registers.
    fn finish(mut self) -> Result<(), LoadError> {
        if let Some(word) = self.modifiers.first() {
            return Err(self.error(format!("unknown modifier .{word}")));
        }
        if let Some(kind) = self.types.next() {
            return Err(self.error(format!("unexpected type {kind:?}")));
        }
        for (kind, wide, index) in self.narrowed {
            self.builder.compute(if kind.is_signed() {
                unary(wide, index, |x: i32| i64::from(x))
            } else {
                unary(wide, index, |x: u32| u64::from(x))
            });
        }
        Ok(())
    }
}

/// Appends the body of `function`; `end` is where `ret` leads, the end of the thread if there is none.
///
/// # Errors
/// The first statement that cannot be decoded.
pub fn expand(builder: &mut Builder, function: &Function, end: Option<Label>) -> Result<(), LoadError> {
    let mut labels: HashMap<&str, Label> = HashMap::new();
    for statement in &function.body {
        if let Statement::Label(name) = statement {
            labels.insert(name, builder.new_label());
        }
    }
    for statement in &function.body {
        match statement {
            Statement::OpenScope => builder.scopes.push(HashMap::new()),
            Statement::CloseScope => drop(builder.scopes.pop()),
            Statement::Registers(kind, names) => {
                for name in names {
                    let register = builder.new_register(*kind);
                    builder.declare(name, Symbol::Register(register));
                }
            }
            Statement::Variable(variable) => builder.declare_variable(&function.name, variable)?,
            Statement::Label(name) => builder.place_label(labels[name.as_str()]),
            Statement::Instruction(instruction) => {
                builder.line = instruction.line;
                builder.guard = None;
                if let Some((name, negated)) = &instruction.guard {
                    match builder.lookup(name) {
                        Some(Symbol::Register(Register::Predicate(index))) => builder.guard = Some((index, *negated)),
                        _ => return Err(builder.error(format!("{name} is not a predicate"))),
                    }
                }
                match (instruction.opcode.as_str(), instruction.operands.first(), end) {
                    ("bra", Some(Operand::Name(name)), _) => {
                        let label = labels.get(name.as_str()).copied();
                        let label = label.ok_or_else(|| builder.error(format!("unknown label {name}")))?;
                        builder.push(Action::Branch(label.0));
                    }
                    ("ret", _, Some(end)) => builder.push(Action::Branch(end.0)),
                    ("call", ..) => call(builder, instruction)?,
                    _ => decode(builder, instruction)?,
                }
            }
        }
    }
    Ok(())
}

/// Expands a call in place: the callee's parameters become names for the caller's.
fn call(builder: &mut Builder, instruction: &Instruction) -> Result<(), LoadError> {
    let (mut returns, mut arguments, mut name) = (Vec::new(), Vec::new(), None);
    for operand in &instruction.operands {
        match operand {
            Operand::Name(callee) if name.is_none() => name = Some(callee),
            Operand::List(list) if name.is_none() => returns.clone_from(list),
            Operand::List(list) => arguments.clone_from(list),
            other => return Err(builder.error(format!("unknown operand of a call: {other:?}"))),
        }
    }
    let name = name.ok_or_else(|| builder.error("call of nothing"))?;
    let module = builder.module;
    let callee = module.functions.get(name).ok_or_else(|| builder.error(format!("call of unknown function {name}")))?;
    if builder.calls.contains(name) {
        return Err(builder.error(format!("{name} calls itself")));
    }
    if (returns.len(), arguments.len()) != (callee.returns.len(), callee.parameters.len()) {
        return Err(builder.error(format!("{name} takes {} arguments", callee.parameters.len())));
    }
    let mut scope = HashMap::new();
    for (given, parameter) in returns.iter().chain(&arguments).zip(callee.returns.iter().chain(&callee.parameters)) {
        let symbol = match given {
            Operand::Name(name) => builder.lookup(name),
            _ => None,
        };
        match symbol {
            Some(symbol @ Symbol::CallParameter(_)) => scope.insert(parameter.name.clone(), symbol),
            _ => return Err(builder.error(format!("argument {given:?} is not a .param variable"))),
        };
    }
    let (line, guard) = (builder.line, builder.guard.take());
    let end = builder.new_label();
    if let Some((index, negated)) = guard {
        builder.guard = Some((index, !negated));
        builder.push(Action::Branch(end.0));
    }
    let outer = std::mem::replace(&mut builder.scopes, vec![scope]);
    builder.calls.push(name.clone());
    expand(builder, callee, Some(end))?;
    builder.calls.pop();
    builder.scopes = outer;
    builder.place_label(end);
    (builder.line, builder.guard) = (line, None);
    Ok(())
}

fn decode(builder: &mut Builder, instruction: &Instruction) -> Result<(), LoadError> {
    let mut decoder = Decoder::new(builder, instruction);
    let d = &mut decoder;
    match instruction.opcode.as_str() {
        "add" | "sub" | "mul" | "mad" | "fma" | "div" | "rem" | "min" | "max" | "neg" | "abs" | "addc" | "subc"
        | "madc" => arithmetic::decode(d)?,
        "sqrt" | "rsqrt" | "rcp" | "ex2" | "lg2" | "sin" | "cos" | "tanh" | "copysign" | "testp" => {
            float::decode_function(d)?;
        }
        "mul24" | "mad24" | "sad" | "popc" | "clz" | "brev" | "bfind" => integer::decode_function(d)?,
        "and" | "or" | "xor" | "not" | "cnot" | "shl" | "shr" | "lop3" | "bfe" | "bfi" | "prmt" | "shf" => {
            bits::decode(d)?;
        }
        "setp" | "set" | "selp" | "slct" => compare::decode(d)?,
        "cvt" => convert::decode(d)?,
        "mov" | "cvta" | "isspacep" => moves::decode(d)?,
        "ld" | "ldu" | "st" | "atom" | "red" | "cp" | "prefetch" | "prefetchu" => memory::decode(d)?,
        "bar" | "barrier" | "shfl" | "vote" | "match" | "activemask" | "mma" | "membar" | "fence" => {
            collective::decode(d)?;
        }
        "ret" | "exit" => {
            d.take("uni");
            d.builder.push(Action::Exit);
        }
        "trap" => d.builder.push(Action::Trap),
        "brkpt" | "nanosleep" => drop(d.kind()),
        _ => return Err(d.error("unknown instruction")),
    }
    decoder.finish()
}
