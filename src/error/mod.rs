//! The one error type of the crate: every variant names the thing, what was expected and what was got.

mod make;
mod names;
mod tensor;

use std::path::PathBuf;

use crate::quoted::{shown, shown_list, shown_numbers, shown_path};
pub(crate) use make::check_shape;
pub(crate) use names::nearest;
use names::nearest_of;
pub use tensor::TensorFault;

/// Whatever can go wrong with data, files and shapes handed to this crate.
///
/// Its `Debug` form is its message too, so that a `main` that returns this error, and an `unwrap`, show a sentence.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // ---- groups -------------------------------------------------------------------------------
    /// A group's parameter is outside its range.
    #[error("{group}: parameter {expected}, got {got}")]
    GroupParameter {
        /// The group's type.
        group: &'static str,
        /// The allowed range in words.
        expected: &'static str,
        /// The value given.
        got: usize,
    },
    /// A table that is not a group, or one of images that is not an action of a group H on a group N by automorphisms, with the
    /// elements (row indices) that show it.
    ///
    /// | law | witness | left | right |
    /// |---|---|---|---|
    /// | `closure` | x, y | the entry x y | the order it must stay below |
    /// | `latin square row` | x, y, z with x y = x z | y | z |
    /// | `latin square column` | x, y, z with x z = y z | x | y |
    /// | `left identity` | e, the only candidate, and x | e x | x |
    /// | `right identity` | e, the only candidate, and x | x e | x |
    /// | `associativity` | x, y, z | (x y) z | x (y z) |
    /// | `automorphism` | h in H, a and b in N | h(a b) | h(a) h(b) |
    /// | `homomorphism` | g and h in H, a in N | (g h)(a) | g(h(a)) |
    #[error("not {of}: {law} fails at {witness}: {left} against {right}", witness = shown_numbers(witness))]
    LawFails {
        /// `a group`, or `an action by automorphisms`.
        of: &'static str,
        /// The law that fails.
        law: &'static str,
        /// The elements (row indices) at which it fails.
        witness: Vec<usize>,
        /// One side of the law there.
        left: usize,
        /// The other side.
        right: usize,
    },
    /// A list of permutations that lacks a product of two of them.
    #[error("not a group: the product of permutations {left} and {right}, {product}, is missing", product = shown_numbers(product))]
    NotClosed {
        /// Position of the left factor.
        left: usize,
        /// Position of the right factor.
        right: usize,
        /// The product of the two.
        product: Vec<usize>,
    },
    /// A list that holds a permutation twice.
    #[error("permutations {first} and {second} are the same: {permutation}", permutation = shown_numbers(permutation))]
    RepeatedPermutation {
        /// Its first position.
        first: usize,
        /// Its second position.
        second: usize,
        /// The permutation.
        permutation: Vec<usize>,
    },
    /// A group with more elements or subgroups than the caller allowed.
    #[error("{group}: expected at most {limit} {what}, got {got} before the search was over", group = shown(group))]
    OverLimit {
        /// The group's name.
        group: String,
        /// `elements` or `subgroups`.
        what: &'static str,
        /// The limit given.
        limit: usize,
        /// The number known when the search stopped.
        got: usize,
    },
    /// A permutation that is not one, or of another degree than its fellows.
    #[error("permutation {index} is not a permutation of 0..{degree}: {got}", got = shown_numbers(got))]
    NotAPermutation {
        /// Position in the list.
        index: usize,
        /// Number of points expected.
        degree: usize,
        /// The offending images.
        got: Vec<usize>,
    },
    /// Two things that belong to groups of one order with different multiplication tables.
    #[error(
        "{what}: expected that with the multiplication table {expected}, got one with the table {got}: another group of \
         the same order, or its elements in another order", what = shown(what)
    )]
    OtherGroup {
        /// Whose group it is.
        what: String,
        /// The [`Fingerprint`](crate::group::Fingerprint) it should have.
        expected: String,
        /// The fingerprint it has.
        got: String,
    },
    /// An explanation or a certificate of another model: some weight differs.
    #[error("{what}: expected the model with the digest {expected}, got one with {got}: a weight of it differs")]
    OtherModel {
        /// What belongs to another model.
        what: &'static str,
        /// The digest of the model that it belongs to.
        expected: String,
        /// The digest of the model that it is used with.
        got: String,
    },
    /// A modulus without a unit of the order asked for.
    #[error("expected a unit of multiplicative order {order} modulo {modulus}, got none")]
    NoUnit {
        /// The modulus.
        modulus: usize,
        /// The order.
        order: usize,
    },
    /// Elements that are no subgroup of the group they are used with.
    #[error("{group}: expected a subgroup of order {order}, got elements that generate {generated}", group = shown(group))]
    NotASubgroup {
        /// The group's name.
        group: String,
        /// How many elements there are.
        order: usize,
        /// How many they generate.
        generated: usize,
    },
    /// A name of a group that cannot be read, or that is no group's ([`GroupName`](crate::group::GroupName)).
    #[error("group `{name}`{place}: expected {expected}, got {got}", name = shown(name),
        place = at.map_or_else(String::new, |at| format!(", character {at}")), expected = shown(expected), got = shown(got))]
    GroupName {
        /// The name, or the part of it that is at fault.
        name: String,
        /// The place in it, in characters from 1, where it cannot be read.
        at: Option<usize>,
        /// What would do there.
        expected: String,
        /// What was found.
        got: String,
    },

    // ---- irreps -------------------------------------------------------------------------------
    /// A character table that rounding hides, or that does not exist because the product is no group's.
    #[error("{group}: found no character table for order {order} with {classes} classes; does it keep the group laws?", group = shown(group))]
    NoCharacterTable {
        /// The group's name.
        group: String,
        /// Its order.
        order: usize,
        /// Its number of conjugacy classes.
        classes: usize,
    },
    /// A character or a representation that is not that of a real irrep.
    #[error("irrep `{label}`: expected {expected}, got {got}", label = shown(label))]
    NotAnIrrep {
        /// Its label.
        label: String,
        /// What holds for an irrep.
        expected: &'static str,
        /// What was found.
        got: f64,
    },
    /// Matrices that do not multiply as the elements of the group do, or that are not unitary.
    #[error(
        "representation `{label}`: expected {expected}, got {distance} between the two sides at elements {elements:?}"
    )]
    NotARepresentation {
        /// Its label.
        label: String,
        /// What holds for a representation.
        expected: &'static str,
        /// Rows of the elements x, y at which it does not hold.
        elements: Vec<usize>,
        /// The distance of the two sides there: square root of the sum of squares of all entries.
        distance: f64,
    },

    // ---- shapes -------------------------------------------------------------------------------
    /// An array of the wrong shape.
    #[error("{what}: expected shape {expected}, got {got}", what = shown(what), expected = shown_numbers(expected), got = shown_numbers(got))]
    Shape {
        /// The array.
        what: String,
        /// The shape needed.
        expected: Vec<usize>,
        /// The shape given.
        got: Vec<usize>,
    },
    /// A number outside its range.
    #[error("{what}: expected {expected}, got {got}")]
    Range {
        /// The number.
        what: &'static str,
        /// The range in words.
        expected: &'static str,
        /// The value given.
        got: f64,
    },
    /// An iteration that did not converge.
    #[error("{routine} did not converge on a matrix of shape {shape:?}")]
    NoConvergence {
        /// The LAPACK routine.
        routine: &'static str,
        /// The matrix's shape.
        shape: [usize; 2],
    },
    /// Work that would hold more memory at once than the stated budget.
    #[error("{what} needs {needed} bytes, over the budget of {budget}")]
    Memory {
        /// The array.
        what: &'static str,
        /// Bytes it would take.
        needed: usize,
        /// Bytes allowed.
        budget: usize,
    },

    // ---- splits -------------------------------------------------------------------------------
    /// A pair that a split has beyond those there are.
    #[error("split: expected pairs below {pairs}, the number there are, got pair {got} in the {set} set")]
    UnknownPair {
        /// `training` or `test`.
        set: &'static str,
        /// The number of pairs.
        pairs: usize,
        /// The row-major index found.
        got: usize,
    },
    /// A pair that a split has twice.
    #[error("split: expected every pair once, got pair {pair} in the {first} set and again in the {second} set")]
    RepeatedPair {
        /// Its row-major index.
        pair: usize,
        /// `training` or `test`.
        first: &'static str,
        /// `training` or `test`.
        second: &'static str,
    },

    // ---- models -------------------------------------------------------------------------------
    /// A description of a network that does not fit together.
    #[error("step `{step}` of the network: expected {expected}, got {got}", step = shown(step), expected = shown(expected), got = shown(got))]
    Description {
        /// The step.
        step: String,
        /// What it wants.
        expected: String,
        /// What there is.
        got: String,
    },
    /// A site the model (or cache) does not have.
    #[error("no site `{site}`; there are {known}", site = shown(site), known = shown_list(known, ", "))]
    UnknownSite {
        /// The name asked for.
        site: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// A list of sites that holds a name twice.
    #[error("there are two sites `{site}`", site = shown(site))]
    RepeatedSite {
        /// The name.
        site: String,
    },
    /// A channel beyond a site's width.
    #[error("site `{site}` has {width} channels, asked for channel {channel}", site = shown(site))]
    UnknownChannel {
        /// The site.
        site: String,
        /// The channel asked for.
        channel: usize,
        /// The site's width.
        width: usize,
    },
    /// A block beyond those of a basis.
    #[error("the basis has {blocks} blocks, asked for block {block}")]
    UnknownBlock {
        /// The block asked for.
        block: usize,
        /// The number there are.
        blocks: usize,
    },
    /// A block of another basis than the one it is used with.
    #[error("block {block}: expected one of {expected}, got one of another basis ({got})", expected = shown(expected))]
    OtherBasis {
        /// Index of the block.
        block: usize,
        /// The basis it is used with: its name and, in brackets, its mark.
        expected: String,
        /// The mark of the basis it is of.
        got: String,
    },
    /// An element beyond the group's order.
    #[error("the model's group has order {order}, asked for element {got}")]
    UnknownElement {
        /// The order.
        order: usize,
        /// The row asked for.
        got: usize,
    },
    /// Projection rows that are not orthonormal.
    #[error("projection rows {} and {} of a hook on `{site}` have product {got}, not {}", rows.0, rows.1, u8::from(rows.0 == rows.1), site = shown(site))]
    NotOrthonormal {
        /// The site.
        site: String,
        /// The two rows.
        rows: (usize, usize),
        /// The product of the two rows.
        got: f32,
    },
    /// An intervention this model cannot carry out.
    #[error("{model} cannot honour a hook on `{site}`: {reason}", site = shown(site))]
    HookUnsupported {
        /// The model's type.
        model: &'static str,
        /// The site.
        site: String,
        /// Why.
        reason: &'static str,
    },
    /// An activation that is NaN or infinite, at the first pair that has one: the forward pass overflows `f32`.
    #[error("site `{site}`, channel {channel}, pair ({}, {}): expected a finite number, got {got}; the forward pass overflows f32", pair[0], pair[1])]
    NonFiniteActivation {
        /// The site.
        site: String,
        /// The rows of x and y.
        pair: [usize; 2],
        /// The channel; of the logits the class.
        channel: usize,
        /// The activation.
        got: f32,
    },
    /// An unembedding, or maps of the elements, that do not give what is recorded.
    #[error("{what} `{site}`: they differ by {difference}, the largest is {scale}", site = shown(site))]
    RecordingMismatch {
        /// What does not give it, and how.
        what: &'static str,
        /// The site that an unembedding reads, or that maps give.
        site: String,
        /// The largest difference of the logits; of what maps give, the first one found that is too large.
        difference: f32,
        /// The largest value recorded.
        scale: f32,
    },
    /// An analysis that needs something this model or basis does not have.
    #[error("{analysis} needs {needs}")]
    Unsupported {
        /// The analysis.
        analysis: &'static str,
        /// What is missing.
        needs: &'static str,
    },

    // ---- devices ------------------------------------------------------------------------------
    /// The CUDA driver's library is not on this machine.
    #[error("no CUDA driver found: libcuda.so.1 cannot be opened")]
    NoCudaDriver,
    /// No such CUDA device.
    #[error("no CUDA device {ordinal}: the driver has {count}")]
    NoCudaDevice {
        /// The number asked for.
        ordinal: usize,
        /// How many there are.
        count: usize,
    },
    /// A CUDA driver or device that cannot run the kernels.
    #[error(
        "CUDA driver or device too old ({what}): {device} of compute capability {}.{} with a driver of CUDA {}.{}; the \
         kernels (PTX ISA 7.8) need capability {}.{} and CUDA {}.{}, which is a driver >= 520",
        capability.0, capability.1, driver / 1000, driver % 1000 / 10,
        needs_capability.0, needs_capability.1, needs_driver / 1000, needs_driver % 1000 / 10, device = shown(device))]
    CudaUnsupported {
        /// What was refused.
        what: &'static str,
        /// Name of the device.
        device: String,
        /// Its compute capability.
        capability: (u32, u32),
        /// The CUDA version of its driver, as the driver counts: 12040 for 12.4.
        driver: u32,
        /// The least version that will do.
        needs_driver: u32,
        /// The least capability that will do.
        needs_capability: (u32, u32),
    },
    /// Memory of a device that is not there.
    #[error("{what} needs {needed} bytes on {device}, which has {free} free", device = shown(device))]
    CudaMemory {
        /// What was to be stored.
        what: &'static str,
        /// Name of the device.
        device: String,
        /// Bytes it takes.
        needed: usize,
        /// Bytes that are free.
        free: usize,
    },
    /// An error that the CUDA driver reports.
    #[error("{call}: CUDA error {code}, {message}", message = shown(message))]
    Cuda {
        /// The function of the driver API.
        call: &'static str,
        /// Its code.
        code: u32,
        /// The driver's words for it.
        message: String,
    },

    // ---- files --------------------------------------------------------------------------------
    /// The operating system refused a file.
    #[error("{}: {source}", shown_path(path), source = shown(&source.to_string()))]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file that is not of the format it should be.
    #[error("{}: expected {expected}, got {got}", shown_path(path), got = shown(got))]
    Format {
        /// The file.
        path: PathBuf,
        /// The format or value needed there.
        expected: &'static str,
        /// What was found.
        got: String,
    },
    /// A file whose bytes are not those that its checksum was computed of.
    #[error("{}: expected contents of checksum {expected}, got {got}: the file was damaged or changed after it was written", shown_path(path), expected = shown(expected), got = shown(got))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The checksum that it states.
        expected: String,
        /// That of its bytes.
        got: String,
    },
    /// A pickle whose weights are inside Python objects, so that only running code could make them.
    #[error("{}: expected a state dict of plain tensors, got a Python object made by `{global}`, which is not run", shown_path(path), global = shown(global))]
    UnsafePickle {
        /// The file.
        path: PathBuf,
        /// The Python object it names.
        global: String,
    },
    /// Several state dicts or weights files where one is needed and no rule says which.
    #[error("{}: expected one {what}, got {}: {how}", shown_path(path), shown_list(got, ", "))]
    SeveralWeights {
        /// The file or folder.
        path: PathBuf,
        /// What there are several of.
        what: &'static str,
        /// The names of all that were found.
        got: Vec<String>,
        /// How to choose.
        how: &'static str,
    },
    /// A pickle that breaks off or contradicts itself.
    #[error("{}: pickle byte {offset}: expected {expected}, got {got}", shown_path(path), got = shown(got))]
    Pickle {
        /// The file.
        path: PathBuf,
        /// Position after the offending opcode, in bytes from the pickle's start.
        offset: usize,
        /// What the format has there.
        expected: &'static str,
        /// What was found.
        got: String,
    },
    /// A tensor of a file that cannot be used.
    #[error("{}: tensor `{tensor}`: {fault}", shown_path(path), tensor = shown(tensor))]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What is wrong with it.
        fault: TensorFault,
    },
    /// Settings and weights of a run that disagree on an output bias.
    #[error(
        "{}: layers.output_bias is {settings}, but {} has {}", shown_path(config), shown_path(weights),
        tensor.as_ref().map_or("no output bias".to_owned(), |name| format!("the output bias `{}`", shown(name)))
    )]
    OutputBias {
        /// The file of the settings.
        config: PathBuf,
        /// What they say.
        settings: bool,
        /// The file of the weights.
        weights: PathBuf,
        /// The output bias there is.
        tensor: Option<String>,
    },
    /// No tensor of any of the names looked for.
    #[error(
        "{}: expected a tensor named {}{}, got {}{}",
        shown_path(path),
        shown_list(expected, " or "),
        step.as_ref().map_or_else(String::new, |step| format!(", for step `{}`", shown(step))),
        shown_list(got, ", "),
        nearest_of(expected, got)
    )]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The alternative names.
        expected: Vec<String>,
        /// Every tensor in the file with its type and shape.
        got: Vec<String>,
        /// The step of the network that wants it, where it is a parameter.
        step: Option<String>,
    },
    /// A key of a run's `cfg.json` that is missing or out of its range.
    #[error("{}: key `{key}`: expected {expected}, got {got}", shown_path(path), got = shown(got))]
    Config {
        /// The file.
        path: PathBuf,
        /// The key, with dots between levels.
        key: &'static str,
        /// The allowed values in words.
        expected: &'static str,
        /// The value found as JSON, or `nothing`.
        got: String,
    },

    // ---- training -----------------------------------------------------------------------------
    /// A loss that is NaN or infinite: training has diverged.
    #[error("loss is {loss} at epoch {epoch}; what is left is the state of epoch {last_good}")]
    Diverged {
        /// The epoch.
        epoch: u64,
        /// The loss there.
        loss: f64,
        /// The epoch of the last checkpoint before it.
        last_good: u64,
    },
    /// A run directory that another process is training in.
    #[error("{}: another process is training in this directory", shown_path(path))]
    RunLocked {
        /// The directory.
        path: PathBuf,
    },
    /// A run directory that holds another run than the one to be trained.
    #[error("{}: the run there differs in `{what}`: expected {expected}, got {got}", shown_path(path), what = shown(what), expected = shown(expected), got = shown(got))]
    RunDiffers {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: String,
        /// What it would have to be.
        expected: String,
        /// What it is.
        got: String,
    },
    /// An element order that cannot be had, or is none of the run's group.
    #[error(
        "{source}. An element order is `sympy` (that of SymPy's SymmetricGroup(n).generate() or AlternatingGroup(n)\
         .generate(), the first for the published S3 to S6), `lexicographic`, or a JSON file of the permutations in their \
         order: {{\"composition\": \"(p*q)[i] = q[p[i]]\", \"elements\": [[0, 1, 2], [1, 2, 0], ...]}}"
    )]
    ElementOrder {
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// A file of a run that is gone although others say that it was there.
    #[error("{}: missing, though {beside} is there: put it back, or train in another directory", shown_path(path), beside = shown_path(beside))]
    RunIncomplete {
        /// The file that is missing.
        path: PathBuf,
        /// The file that says so.
        beside: PathBuf,
    },
    /// A log of a run that is gone although the run goes on.
    #[error(
        "{}: missing, though the run goes on from epoch {epoch}: put it back, or an empty file to begin another there",
        shown_path(path)
    )]
    LogMissing {
        /// The log.
        path: PathBuf,
        /// The first epoch it would have.
        epoch: u64,
    },
    /// What went wrong on another rank of the computation, or was read back from a text.
    #[error("{message}")]
    OnOtherRank {
        /// Its message there.
        message: String,
    },
    /// A file of the right format whose contents are at fault.
    #[error("{}: {source}", shown_path(path))]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        source: Box<Error>,
    },
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
