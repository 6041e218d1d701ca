//! What the command-line tools among the examples share: exit codes, errors as sentences, outputs tried before the work, and
//! the place where a model runs.
#![allow(dead_code)]

use clap::Parser;
use irreplens::checkpoint::{GroupKind, Run};
use irreplens::model::Interpretable;
use serde_json::{Value, json};
use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Whatever ends a tool: its message is a sentence.
pub type Failure = Box<dyn std::error::Error>;

/// The run directory of the shipped model.
pub const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/D53");

/// Reads the command line and runs a tool.
///
/// Exit code 0 for success and for `--help`, 1 for a failed run, 2 for a command line that makes no sense.
pub fn main<A: Parser>(run: impl FnOnce(A) -> Result<(), Failure>) -> ExitCode {
    let arguments = match A::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help is an error to the parser, with exit code 0.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            let _ = error.print();
            return code.into();
        }
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A run to look at, by the options that all tools have for it.
#[derive(clap::Args)]
pub struct Source {
    /// A run directory, a weights file in one (FILE#NAME for one of several state dicts in it), or a file of recorded
    /// activations (.npz, safetensors).
    #[arg(value_name = "RUN", default_value = SHIPPED, hide_default_value = true)]
    pub run: PathBuf,
    /// The element order of a symmetric or alternating group: sympy, lexicographic or a file of permutations.
    #[arg(long, value_name = "ORDER")]
    pub order: Option<PathBuf>,
    /// The group of recorded activations: cyclic:N, dihedral:N (of order 2 N), symmetric:N or alternating:N.
    #[arg(long, value_name = "GROUP", value_parser = group)]
    group: Option<(GroupKind, usize)>,
    /// Memory that may be used, 24G say; what the machine has left where nothing is said.
    #[arg(long, value_name = "SIZE", value_parser = memory_size)]
    memory: Option<usize>,
    /// The site of recorded activations whose channels are neurons; `hidden` where nothing is said.
    #[arg(long, value_name = "SITE")]
    neurons: Option<String>,
}

impl Source {
    /// Opens the run.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn open(&self) -> Result<Run, Failure> {
        if self.memory.is_some() {
            irreplens::memory::set_budget(self.memory);
        }
        Ok(match (&self.group, &self.neurons) {
            (None, None) => Run::open(&self.run)?,
            (group, neurons) => Run::recorded(&self.run, neurons.as_deref(), group.clone())?,
        })
    }
}

/// Prints what there is to know about how a run was read.
pub fn tell(run: &Run) {
    for note in run.notes() {
        super::print::line(format_args!("note: {note}"));
    }
}

/// How a model is measured, by the options that the measuring tools have for it.
#[derive(clap::Args)]
pub struct Measuring {
    /// Writes every number there.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Takes median times of so many runs.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub repeat: u64,
    /// Where the model runs: cpu or cuda:N.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
}

impl Measuring {
    /// Tries the output before the work, and opens the device.
    ///
    /// # Errors
    /// Why one of them cannot be used.
    pub fn place(&self) -> Result<Place, Failure> {
        self.json.as_deref().map_or(Ok(()), check_writable)?;
        Place::open(&self.device)
    }
}

/// Median milliseconds of some runs, of which each took so long to be loaded, to be analysed and for one forward pass.
#[must_use]
pub fn timing(runs: &[[f64; 3]]) -> Value {
    let median = |time: fn(&[f64; 3]) -> f64| {
        let mut times: Vec<f64> = runs.iter().map(time).collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    json!({
        "load": median(|[load, ..]| *load),
        "forward": median(|[.., forward]| *forward),
        "analysis": median(|[_, analysis, _]| *analysis),
        "total": median(|[load, analysis, _]| load + analysis),
    })
}

/// A size in bytes or binary units.
///
/// # Errors
/// What is expected.
pub fn memory_size(value: &str) -> Result<usize, String> {
    irreplens::memory::parse_size(value).ok_or_else(|| "expected bytes, or a number with K, M, G or T".into())
}

/// A family of groups and its parameter: `cyclic:113`.
///
/// # Errors
/// What is expected.
pub fn group(value: &str) -> Result<(GroupKind, usize), String> {
    const FAMILIES: [(&str, GroupKind); 4] = [
        ("cyclic", GroupKind::CyclicGroup),
        ("dihedral", GroupKind::DihedralGroup),
        ("symmetric", GroupKind::SymmetricGroup),
        ("alternating", GroupKind::AlternatingGroup),
    ];
    let expected = "expected cyclic:N, dihedral:N, symmetric:N or alternating:N";
    let (name, n) = value.split_once(':').ok_or(expected)?;
    let (_, kind) = FAMILIES.into_iter().find(|(family, _)| *family == name).ok_or(expected)?;
    let n = n.parse().map_err(|error| format!("expected a number after {name}:, got {n}: {error}"))?;
    Ok((kind, n))
}

/// Whether a file can be written there, tried before the work whose result it will hold; an existing file is left as it is.
///
/// # Errors
/// A sentence that names the file and the reason.
pub fn check_writable(file: &Path) -> Result<(), Failure> {
    let refused = |reason: &dyn Display| Failure::from(format!("{}: cannot be written: {reason}", file.display()));
    if file.is_dir() {
        return Err(refused(&"it is a folder"));
    }
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match tempfile::tempfile_in(folder) {
        Ok(_) => Ok(()),
        Err(error) if !folder.exists() => Err(refused(&format!("there is no folder {}: {error}", folder.display()))),
        Err(error) => Err(refused(&error)),
    }
}

/// The processor, or a CUDA device.
#[derive(Clone, Debug, Default)]
pub enum Place {
    /// The processor.
    #[default]
    Cpu,
    /// A CUDA device.
    #[cfg(feature = "cuda")]
    Cuda(irreplens::device::Device),
}

impl Place {
    /// Opens what `--device` names, and prints what it is.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn open(name: &str) -> Result<Self, Failure> {
        if name == "cpu" {
            return Ok(Self::Cpu);
        }
        let number = name.strip_prefix("cuda:").and_then(|number| number.parse::<usize>().ok());
        let ordinal = number.ok_or_else(|| format!("--device {name}: expected cpu or cuda:N"))?;
        Self::cuda(ordinal).map_err(|reason| format!("--device {name}: {reason}").into())
    }

    #[cfg(feature = "cuda")]
    fn cuda(ordinal: usize) -> Result<Self, Failure> {
        let device = irreplens::device::Device::open(ordinal)?;
        super::print::line(format_args!("{}", device.info()));
        Ok(Self::Cuda(device))
    }

    #[cfg(not(feature = "cuda"))]
    fn cuda(_: usize) -> Result<Self, Failure> {
        Err("this program was built without the feature `cuda`".into())
    }

    /// The model there.
    ///
    /// # Errors
    /// Those of moving it.
    pub fn place(&self, model: Box<dyn Interpretable>) -> irreplens::Result<Box<dyn Interpretable>> {
        match self {
            Self::Cpu => Ok(model),
            #[cfg(feature = "cuda")]
            Self::Cuda(device) => {
                use irreplens::model::OfGroup;
                Ok(Box::new(OfGroup::with_fingerprint(model.to_device(device)?, model.fingerprint())))
            }
        }
    }
}
