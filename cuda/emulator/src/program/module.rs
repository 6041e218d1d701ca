//! Loading a text: version checks, module variables, and every kernel decoded.

use std::ops::Range;

use super::Kernel;
use super::builder::{Builder, ModuleScope, Symbol, align_up};
use super::function::expand;
use crate::ptx::syntax::{Function, Storage};
use crate::ptx::{LoadError, LoadErrorKind, parser};

/// What the emulated machine accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Driver version, as `1000 * major + 10 * minor` of the CUDA release.
    pub driver: u32,
    /// Compute capability, as `10 * major + minor`.
    pub capability: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { driver: 13000, capability: 90 }
    }
}

/// A loaded module.
pub struct Module {
    /// Its kernels.
    pub kernels: Vec<Kernel>,
    /// Addresses of its global and constant variables.
    pub ranges: Vec<Range<u64>>,
    _storage: Vec<Box<[u128]>>,
}

/// The first CUDA release (as [`Limits::driver`]) that knows a PTX version.
fn required_driver((major, minor): (u32, u32)) -> u32 {
    match (major, minor) {
        (..=5, _) => 8000,
        (6, minor) => 9000 + 10 * minor.min(5),
        (7, minor @ 0..=8) => 11000 + 10 * minor,
        (7, _) => 12000,
        (8, minor @ 0..=5) => 12000 + 10 * minor,
        (8, 6) => 12070,
        (8, 7) => 12080,
        (8, _) => 12090,
        (9, minor) => 13000 + 10 * minor,
        (major, _) => 13000 + 1000 * (major - 9),
    }
}

impl Module {
    /// Loads a PTX text.
    ///
    /// # Errors
    /// The text is malformed, uses something unknown, or does not fit `limits`.
    pub fn load(source: &str, limits: Limits) -> Result<Self, LoadError> {
        let syntax = parser::parse(source)?;
        let needed = required_driver(syntax.version);
        if needed > limits.driver {
            let (major, minor) = syntax.version;
            return Err(LoadError {
                kind: LoadErrorKind::Version,
                line: syntax.version_line,
                message: format!(".version {major}.{minor} needs driver {needed}, this is {}", limits.driver),
            });
        }
        if syntax.target > limits.capability {
            return Err(LoadError {
                kind: LoadErrorKind::Target,
                line: syntax.target_line,
                message: format!("target sm_{} is above this device's sm_{}", syntax.target, limits.capability),
            });
        }
        let mut scope = ModuleScope::default();
        let (mut storage, mut ranges) = (Vec::new(), Vec::new());
        for variable in syntax.variables {
            if variable.storage == Storage::Shared {
                scope.shared.insert(variable.name.clone(), variable);
                continue;
            }
            if variable.external || variable.align > 16 {
                return Err(LoadError::invalid(variable.line, format!("cannot place variable {}", variable.name)));
            }
            let mut words = vec![0u128; variable.bytes.div_ceil(16).max(1)].into_boxed_slice();
            for (index, byte) in variable.initial.iter().enumerate() {
                words[index / 16] |= u128::from(*byte) << (8 * (index % 16));
            }
            let start = words.as_mut_ptr() as u64;
            ranges.push(start..start + variable.bytes as u64);
            scope.addresses.insert(variable.name, start);
            storage.push(words);
        }
        let (kernels, functions): (Vec<_>, Vec<_>) =
            syntax.functions.into_iter().partition(|function| function.is_kernel);
        scope.functions = functions.into_iter().map(|function| (function.name.clone(), function)).collect();
        let kernels = kernels.iter().map(|function| decode_kernel(&scope, function)).collect::<Result<_, _>>()?;
        Ok(Self { kernels, ranges, _storage: storage })
    }

    /// The kernel called `name`.
    pub fn kernel(&self, name: &str) -> Option<&Kernel> {
        self.kernels.iter().find(|kernel| kernel.name == name)
    }
}

fn decode_kernel(scope: &ModuleScope, function: &Function) -> Result<Kernel, LoadError> {
    let mut builder = Builder::new(scope);
    let mut parameters = Vec::new();
    let mut end = 0;
    for parameter in &function.parameters {
        let start = align_up(end, parameter.align);
        end = start + parameter.bytes;
        parameters.push((start, parameter.bytes));
        builder.declare(&parameter.name, Symbol::Parameter(start as u64));
    }
    builder.calls.push(function.name.clone());
    expand(&mut builder, function, None)?;
    builder.finish(function, parameters)
}
