//! The syntax tree of a PTX module.

use super::types::Type;

/// A whole PTX text.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// `.version`, as (major, minor).
    pub version: (u32, u32),
    /// The number in `.target sm_NN`.
    pub target: u32,
    /// Line of the `.version` directive.
    pub version_line: u32,
    /// Line of the `.target` directive.
    pub target_line: u32,
    /// Variables declared outside every function.
    pub variables: Vec<Variable>,
    /// Kernels and device functions that have a body.
    pub functions: Vec<Function>,
}

/// The memory a declared variable lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Storage {
    Global,
    Constant,
    Shared,
    Local,
    Parameter,
}

/// A declared variable or parameter.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Where it lies.
    pub storage: Storage,
    /// Its name.
    pub name: String,
    /// Size in bytes; 0 for `extern .shared` arrays, whose size the launch decides.
    pub bytes: usize,
    /// Alignment in bytes.
    pub align: usize,
    /// Initial contents, empty or shorter than `bytes` where the rest is zero.
    pub initial: Vec<u8>,
    /// Whether it was declared `.extern`.
    pub external: bool,
    /// Line of the declaration.
    pub line: u32,
}

/// A kernel (`.entry`) or device function (`.func`).
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Whether it is a kernel.
    pub is_kernel: bool,
    /// Return parameters of a device function.
    pub returns: Vec<Variable>,
    /// Parameters in order.
    pub parameters: Vec<Variable>,
    /// Most threads per block according to `.maxntid` or `.reqntid`, if given.
    pub max_threads: Option<u32>,
    /// Statements in order.
    pub body: Vec<Statement>,
}

/// One statement of a function body.
#[derive(Clone, Debug)]
pub enum Statement {
    /// `{`: names declared from here on are forgotten at the matching `}`.
    OpenScope,
    /// `}`
    CloseScope,
    /// `.reg` declarations: names already expanded (`%r<3>` gives `%r0`, `%r1`, `%r2`).
    Registers(Type, Vec<String>),
    /// `.shared`, `.local` or `.param` inside a body.
    Variable(Variable),
    /// `name:`
    Label(String),
    /// An instruction.
    Instruction(Instruction),
}

/// An instruction as written.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// Guard predicate: its register, and whether it is negated.
    pub guard: Option<(String, bool)>,
    /// The opcode up to the first dot.
    pub opcode: String,
    /// The parts after the dots, in order.
    pub modifiers: Vec<String>,
    /// Operands, destination first.
    pub operands: Vec<Operand>,
    /// Line number.
    pub line: u32,
}

impl Instruction {
    /// The opcode with its modifiers, as written.
    pub fn full_opcode(&self) -> String {
        std::iter::once(&self.opcode).chain(&self.modifiers).cloned().collect::<Vec<_>>().join(".")
    }
}

/// An operand as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A register, variable, label or function.
    Name(String),
    /// `!name`
    Not(String),
    /// `first|second`, the two destinations of `setp` and `shfl`.
    Pair(String, String),
    /// An integer, negative ones in two's complement.
    Integer(u64),
    /// `0fXXXXXXXX`
    Float(f32),
    /// `0dXXXXXXXXXXXXXXXX` or a decimal fraction
    Double(f64),
    /// `[base + offset]`
    Address(Box<Operand>, i64),
    /// `{a, b, ...}`
    Vector(Vec<Operand>),
    /// `(a, b, ...)` of a call
    List(Vec<Operand>),
}
