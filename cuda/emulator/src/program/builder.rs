//! The state of decoding one kernel: what names mean, which registers exist, and the steps so far.

use std::collections::HashMap;

use super::{Action, Address, Compute, Kernel, Space, Special, Step};
use crate::machine::registers::{Register, Registers, WARP};
use crate::ptx::LoadError;
use crate::ptx::syntax::{Function, Operand, Storage, Variable};
use crate::ptx::types::Type;

/// `ld.param` addresses from here on mean parameters of a call, which lie in local memory.
pub const CALL_PARAMETERS: u64 = 1 << 32;

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub enum Symbol {
    /// A register.
    Register(Register),
    /// An offset in shared memory.
    Shared(u64),
    /// The start of dynamic shared memory.
    DynamicShared,
    /// An offset in local memory.
    Local(u64),
    /// An offset in the kernel's parameters.
    Parameter(u64),
    /// A parameter of a call: an offset in local memory.
    CallParameter(u64),
    /// The address of a module's variable.
    Global(u64),
}

/// What the functions of a module share.
#[derive(Default)]
pub struct ModuleScope {
    /// Addresses of global and constant variables.
    pub addresses: HashMap<String, u64>,
    /// Variables in shared memory; every kernel gets those it names.
    pub shared: HashMap<String, Variable>,
    /// Device functions.
    pub functions: HashMap<String, Function>,
}

/// A place in the program that branches name.
#[derive(Clone, Copy, Debug)]
pub struct Label(pub usize);

/// A kernel under construction.
pub struct Builder<'m> {
    /// The module around it.
    pub module: &'m ModuleScope,
    /// Names, innermost scope last.
    pub scopes: Vec<HashMap<String, Symbol>>,
    /// Functions being expanded, outermost first.
    pub calls: Vec<String>,
    /// Guard of the steps being pushed.
    pub guard: Option<(u32, bool)>,
    /// Line of the steps being pushed.
    pub line: u32,
    /// Whether a global atomic was seen.
    pub has_global_atomics: bool,
    steps: Vec<Step>,
    labels: Vec<Option<usize>>,
    registers: Registers,
    constants: HashMap<(bool, u64), Register>,
    specials: HashMap<(bool, Special), Register>,
    places: HashMap<String, u64>,
    shared_bytes: usize,
    local_bytes: usize,
    carry: Option<u32>,
}

/// Rounds `value` up to a multiple of the power of two `align`.
pub fn align_up(value: usize, align: usize) -> usize {
    value.next_multiple_of(align.max(1))
}

impl<'m> Builder<'m> {
    /// An empty program.
    pub fn new(module: &'m ModuleScope) -> Self {
        Self {
            module,
            scopes: vec![HashMap::new()],
            calls: Vec::new(),
            guard: None,
            line: 0,
            has_global_atomics: false,
            steps: Vec::new(),
            labels: Vec::new(),
            registers: Registers::default(),
            constants: HashMap::new(),
            specials: HashMap::new(),
            places: HashMap::new(),
            shared_bytes: 0,
            local_bytes: 0,
            carry: None,
        }
    }

    /// An error in the current line.
    pub fn error(&self, message: impl Into<String>) -> LoadError {
        LoadError::invalid(self.line, message)
    }

    /// Appends a step with the current guard and line.
    pub fn push(&mut self, action: Action) {
        self.steps.push(Step { action, guard: self.guard, line: self.line });
    }

    /// Appends a computation.
    pub fn compute(&mut self, compute: Compute) {
        self.push(Action::Compute(compute));
    }

    /// A new register for values of type `kind`, zero at the start.
    pub fn new_register(&mut self, kind: Type) -> Register {
        let registers = &mut self.registers;
        match (kind, kind.bytes()) {
            (Type::Pred, _) => {
                registers.predicates.push(0);
                Register::Predicate(registers.predicates.len() as u32 - 1)
            }
            (_, 8) => {
                registers.longs.push([0; WARP]);
                Register::Long(registers.longs.len() as u32 - 1)
            }
            _ => {
                registers.words.push([0; WARP]);
                Register::Word(registers.words.len() as u32 - 1)
            }
        }
    }

    /// The register that holds the constant `bits`.
    pub fn constant(&mut self, bits: u64, kind: Type) -> Register {
        if kind == Type::Pred {
            let register = self.new_register(kind);
            if let (Register::Predicate(index), true) = (register, bits != 0) {
                self.registers.predicates[index as usize] = u32::MAX;
            }
            return register;
        }
        let long = kind.bytes() == 8;
        let bits = if long { bits } else { bits & u64::from(u32::MAX) };
        if let Some(register) = self.constants.get(&(long, bits)) {
            return *register;
        }
        let register = self.new_register(kind);
        (0..WARP).for_each(|lane| self.registers.set_bits(register, lane, bits));
        self.constants.insert((long, bits), register);
        register
    }

    /// The register that holds a special value, widened to the bank of `kind`.
    pub fn special(&mut self, special: Special, kind: Type) -> Register {
        let long = kind.bytes() == 8;
        if let Some(register) = self.specials.get(&(long, special)) {
            return *register;
        }
        let register = self.new_register(if long { Type::U64 } else { Type::U32 });
        self.specials.insert((long, special), register);
        register
    }

    /// The predicate that stands for the condition code of `add.cc` and its kin.
    pub fn carry(&mut self) -> u32 {
        if let Some(index) = self.carry {
            return index;
        }
        self.registers.predicates.push(0);
        *self.carry.insert(self.registers.predicates.len() as u32 - 1)
    }

    /// What `name` stands for, if it was declared.
    pub fn lookup(&mut self, name: &str) -> Option<Symbol> {
        if let Some(symbol) = self.scopes.iter().rev().find_map(|scope| scope.get(name)) {
            return Some(*symbol);
        }
        if let Some(address) = self.module.addresses.get(name) {
            return Some(Symbol::Global(*address));
        }
        let variable = self.module.shared.get(name)?;
        Some(if variable.external { Symbol::DynamicShared } else { self.declare_shared(name.to_owned(), variable) })
    }

    /// Gives `name` a meaning in the innermost scope.
    pub fn declare(&mut self, name: &str, symbol: Symbol) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), symbol);
        }
    }

    /// Reserves memory for a variable of a function body and declares its name.
    ///
    /// # Errors
    /// A variable in a space that function bodies do not have.
    pub fn declare_variable(&mut self, function: &str, variable: &Variable) -> Result<(), LoadError> {
        let key = format!("{function} {}", variable.name);
        let symbol = match variable.storage {
            Storage::Shared if variable.external => Symbol::DynamicShared,
            Storage::Shared => self.declare_shared(key, variable),
            Storage::Local => {
                let place = match self.places.get(&key) {
                    Some(place) => *place,
                    None => self.reserve_local(variable),
                };
                self.places.insert(key, place);
                Symbol::Local(place)
            }
            Storage::Parameter => Symbol::CallParameter(self.reserve_local(variable)),
            Storage::Global | Storage::Constant => {
                return Err(LoadError::invalid(variable.line, "global variable inside a function"));
            }
        };
        self.declare(&variable.name, symbol);
        Ok(())
    }

    fn reserve_local(&mut self, variable: &Variable) -> u64 {
        let start = align_up(self.local_bytes, variable.align);
        self.local_bytes = start + variable.bytes;
        start as u64
    }

    fn declare_shared(&mut self, key: String, variable: &Variable) -> Symbol {
        let (bytes, align) = (variable.bytes, variable.align);
        let total = &mut self.shared_bytes;
        let place = *self.places.entry(key).or_insert_with(|| {
            let start = align_up(*total, align);
            *total = start + bytes;
            start as u64
        });
        Symbol::Shared(place)
    }

    /// The register holding an operand that is read as a value of type `kind`; may be in the other bank.
    ///
    /// # Errors
    /// An undeclared name, or an operand that is not a value.
    pub fn value(&mut self, operand: &Operand, kind: Type) -> Result<Register, LoadError> {
        let bits = match (operand, kind) {
            (Operand::Name(name), _) => return self.named_value(name, kind),
            (Operand::Integer(value), Type::F32) => (*value as i64 as f32).to_bits().into(),
            (Operand::Integer(value), Type::F64) => (*value as i64 as f64).to_bits(),
            (Operand::Integer(value), _) => *value,
            (Operand::Float(value), Type::F64) => f64::from(*value).to_bits(),
            (Operand::Float(value), _) => value.to_bits().into(),
            (Operand::Double(value), Type::F32) => (*value as f32).to_bits().into(),
            (Operand::Double(value), _) => value.to_bits(),
            _ => return Err(self.error(format!("not a value: {operand:?}"))),
        };
        Ok(self.constant(bits, kind))
    }

    fn named_value(&mut self, name: &str, kind: Type) -> Result<Register, LoadError> {
        let offset = match self.lookup(name) {
            Some(Symbol::Register(register)) => return Ok(register),
            Some(Symbol::DynamicShared) => return Ok(self.special(Special::DynamicShared, kind)),
            Some(Symbol::Shared(offset) | Symbol::Local(offset) | Symbol::Parameter(offset)) => offset,
            Some(Symbol::CallParameter(offset)) => CALL_PARAMETERS + offset,
            Some(Symbol::Global(address)) => address,
            None => match special(name) {
                Some(special) => return Ok(self.special(special, kind)),
                None if name == "WARP_SZ" => WARP as u64,
                None => return Err(self.error(format!("unknown name {name}"))),
            },
        };
        Ok(self.constant(offset, kind))
    }

    /// Decodes `[base + offset]`.
    ///
    /// # Errors
    /// An operand that is not an address, or a name that lies in another space.
    pub fn address(&mut self, operand: &Operand, space: Space) -> Result<Address, LoadError> {
        let Operand::Address(base, offset) = operand else {
            return Err(self.error(format!("not an address: {operand:?}")));
        };
        let offset = *offset;
        if let Operand::Name(name) = &**base {
            match (self.lookup(name), space) {
                (Some(Symbol::CallParameter(place)), Space::Parameter) => {
                    return Ok(Address { space: Space::Local, base: self.constant(place, Type::U64), offset });
                }
                (Some(Symbol::Register(_)), _)
                | (Some(Symbol::Shared(_) | Symbol::DynamicShared), Space::Shared)
                | (Some(Symbol::Local(_)), Space::Local)
                | (Some(Symbol::Parameter(_)), Space::Parameter)
                | (Some(Symbol::Global(_)), Space::Global | Space::Constant | Space::Generic) => {}
                (found, _) => return Err(self.error(format!("{name} ({found:?}) is not in {space:?} memory"))),
            }
        }
        Ok(Address { space, base: self.value(base, Type::U64)?, offset })
    }

    /// A label whose place is not known yet.
    pub fn new_label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Puts a label at the current end of the program.
    pub fn place_label(&mut self, label: Label) {
        self.labels[label.0] = Some(self.steps.len());
    }

    /// Finishes the program: an exit at its end, labels replaced by step indices.
    ///
    /// # Errors
    /// A label that was never placed.
    pub fn finish(mut self, function: &Function, parameters: Vec<(usize, usize)>) -> Result<Kernel, LoadError> {
        self.guard = None;
        self.push(Action::Exit);
        for step in &mut self.steps {
            if let Action::Branch(target) = &mut step.action {
                *target = self.labels[*target]
                    .ok_or_else(|| LoadError::invalid(step.line, "branch to an undefined label"))?;
            }
        }
        Ok(Kernel {
            name: function.name.clone(),
            parameter_bytes: parameters.last().map_or(0, |(offset, bytes)| offset + bytes),
            parameters,
            max_threads: function.max_threads.unwrap_or(1024),
            shared_bytes: self.shared_bytes,
            local_bytes: align_up(self.local_bytes, 16),
            steps: self.steps,
            registers: self.registers,
            specials: self.specials.into_iter().map(|((_, special), register)| (register, special)).collect(),
            has_global_atomics: self.has_global_atomics,
        })
    }
}

fn special(name: &str) -> Option<Special> {
    let axis = |name: &str| "xyz".find(name).filter(|_| name.len() == 1).map(|axis| axis as u8);
    if let Some((vector, component)) = name.split_once('.') {
        let axis = axis(component)?;
        return Some(match vector {
            "%tid" => Special::Thread(axis),
            "%ntid" => Special::BlockSize(axis),
            "%ctaid" => Special::Block(axis),
            "%nctaid" => Special::GridSize(axis),
            _ => return None,
        });
    }
    Some(match name {
        "%laneid" => Special::Lane,
        "%warpid" => Special::Warp,
        "%nwarpid" => Special::WarpCount,
        "%lanemask_eq" => Special::LanesEqual,
        "%lanemask_lt" => Special::LanesBelow,
        "%lanemask_le" => Special::LanesUpTo,
        "%lanemask_gt" => Special::LanesAbove,
        "%lanemask_ge" => Special::LanesFrom,
        "%dynamic_smem_size" => Special::DynamicSharedSize,
        _ => return None,
    })
}
