//! The one error type of the crate: every variant names the thing, what was expected and what was got.

use std::path::PathBuf;

/// Whatever can go wrong with data, files and shapes handed to this crate.
#[derive(Debug, thiserror::Error)]
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
    /// A table that is not a group, with the elements (row indices) that show it.
    ///
    /// | law | witness | left | right |
    /// |---|---|---|---|
    /// | `closure` | x, y | the entry x y | the order it must stay below |
    /// | `latin square row` | x, y, z with x y = x z | y | z |
    /// | `latin square column` | x, y, z with x z = y z | x | y |
    /// | `left identity` | e, the only candidate, and x | e x | x |
    /// | `right identity` | e, the only candidate, and x | x e | x |
    /// | `associativity` | x, y, z | (x y) z | x (y z) |
    #[error("not a group: {law} fails at {witness:?}: {left} against {right}")]
    NotAGroup {
        /// The group law that fails.
        law: &'static str,
        /// The elements (row indices) at which it fails.
        witness: Vec<usize>,
        /// One side of the law there.
        left: usize,
        /// The other side.
        right: usize,
    },
    /// A list of permutations that lacks a product of two of them.
    #[error("not a group: the product of permutations {left} and {right}, {product:?}, is missing")]
    NotClosed {
        /// Position of the left factor.
        left: usize,
        /// Position of the right factor.
        right: usize,
        /// Their product.
        product: Vec<usize>,
    },
    /// A list that holds a permutation twice.
    #[error("permutations {first} and {second} are the same: {permutation:?}")]
    RepeatedPermutation {
        /// Its first position.
        first: usize,
        /// Its second position.
        second: usize,
        /// The permutation.
        permutation: Vec<usize>,
    },
    /// A closure grew past the order the caller allowed.
    #[error("the generated group has more than {limit} elements")]
    OrderLimit {
        /// The limit given.
        limit: usize,
    },
    /// A permutation that is not one, or of another degree than its fellows.
    #[error("permutation {index} is not a permutation of 0..{degree}: {got:?}")]
    NotAPermutation {
        /// Position in the list.
        index: usize,
        /// Number of points expected.
        degree: usize,
        /// The offending images.
        got: Vec<usize>,
    },

    /// A table of images that is not an action of a group H on a group N by automorphisms.
    ///
    /// | law | witness | left | right |
    /// |---|---|---|---|
    /// | `automorphism` | h in H, a and b in N | h(a b) | h(a) h(b) |
    /// | `homomorphism` | g and h in H, a in N | (g h)(a) | g(h(a)) |
    #[error("not an action by automorphisms: {law} fails at {witness:?}: {left} against {right}")]
    NotAnAction {
        /// The law that fails.
        law: &'static str,
        /// The elements (row indices) at which it fails.
        witness: Vec<usize>,
        /// One side of the law there, an element of N.
        left: usize,
        /// The other side.
        right: usize,
    },
    /// A modulus without a unit of the order asked for.
    #[error("expected a unit of multiplicative order {order} modulo {modulus}, got none")]
    NoUnit {
        /// The modulus.
        modulus: usize,
        /// The order.
        order: usize,
    },
    /// A group with more subgroups than the caller allowed.
    #[error("{group}: expected at most {limit} subgroups, got {got} before the search was over")]
    TooManySubgroups {
        /// The group's name.
        group: String,
        /// The limit given.
        limit: usize,
        /// The number known when the search stopped.
        got: usize,
    },

    // ---- irreps -------------------------------------------------------------------------------
    /// A character table that rounding hides, or that does not exist because the product is no group's.
    #[error("{group}: found no character table for order {order} with {classes} classes; does it keep the group laws?")]
    NoCharacterTable {
        /// The group's name.
        group: String,
        /// Its order.
        order: usize,
        /// Its number of conjugacy classes.
        classes: usize,
    },
    /// A character or a representation that is not that of a real irrep.
    #[error("irrep `{label}`: expected {expected}, got {got}")]
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
    #[error("{what}: expected shape {expected:?}, got {got:?}")]
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

    // ---- models -------------------------------------------------------------------------------
    /// A site the model (or cache) does not have.
    #[error("no site `{site}`; there are {known:?}")]
    UnknownSite {
        /// The name asked for.
        site: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// A list of sites that holds a name twice.
    #[error("there are two sites `{site}`")]
    RepeatedSite {
        /// The name.
        site: String,
    },
    /// A channel beyond a site's width.
    #[error("site `{site}` has {width} channels, asked for channel {channel}")]
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
    /// An element beyond the group's order.
    #[error("the model's group has order {order}, asked for element {got}")]
    UnknownElement {
        /// The order.
        order: usize,
        /// The row asked for.
        got: usize,
    },
    /// Projection rows that are not orthonormal.
    #[error("projection rows {} and {} of a hook on `{site}` have product {got}, not {}", rows.0, rows.1, u8::from(rows.0 == rows.1))]
    NotOrthonormal {
        /// The site.
        site: String,
        /// The two rows.
        rows: (usize, usize),
        /// Their product.
        got: f32,
    },
    /// An intervention this model cannot carry out.
    #[error("{model} cannot honour a hook on `{site}`: {reason}")]
    HookUnsupported {
        /// The model's type.
        model: &'static str,
        /// The site.
        site: String,
        /// Why.
        reason: &'static str,
    },
    /// An unembedding that does not give the recorded logits.
    #[error(
        "the unembedding does not read the logits off `{site}`: they differ by {difference}, the largest is {scale}"
    )]
    ReadoutMismatch {
        /// The site it should read.
        site: String,
        /// The largest difference.
        difference: f32,
        /// The largest logit.
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
        needs_capability.0, needs_capability.1, needs_driver / 1000, needs_driver % 1000 / 10
    )]
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
    #[error("{what} needs {needed} bytes on {device}, which has {free} free")]
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
    #[error("{call}: CUDA error {code}, {message}")]
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
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file that is not of the format it should be.
    #[error("{}: expected {expected}, got {got}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format or value needed there.
        expected: &'static str,
        /// What was found.
        got: String,
    },
    /// A Git LFS pointer where the file itself was expected.
    #[error("{}: expected the file itself, got a Git LFS pointer to it: run `git lfs pull`", path.display())]
    LfsPointer {
        /// The file.
        path: PathBuf,
    },
    /// A zip entry or a tensor that occurs twice in one file.
    #[error("{}: expected every name once, got `{name}` twice", path.display())]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// A pickle that asks for a Python object outside the allow-list, so that loading it could run code.
    #[error("{}: expected a state dict of plain tensors, got a pickle that calls for `{global}`", path.display())]
    UnsafePickle {
        /// The file.
        path: PathBuf,
        /// The Python object it names.
        global: String,
    },
    /// A pickle that breaks off or contradicts itself.
    #[error("{}: pickle byte {offset}: expected {expected}, got {got}", path.display())]
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
    /// A tensor whose shape, strides or storage do not make sense.
    #[error("{}: tensor `{tensor}`: expected {expected}, got {got}", path.display())]
    TensorLayout {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The condition that fails.
        expected: &'static str,
        /// What was found.
        got: String,
    },
    /// A tensor that reaches past the end of its storage.
    #[error("{}: tensor `{tensor}`: expected a storage of at least {expected} elements, got {got}", path.display())]
    TensorOutOfRange {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The elements it reaches.
        expected: usize,
        /// The elements there are.
        got: usize,
    },
    /// Tensors that would unfold to far more memory than their file has bytes.
    #[error("{}: tensor `{tensor}`: expected at most {expected} bytes of tensors in a file of this size, got {got}", path.display())]
    TensorsTooLarge {
        /// The file.
        path: PathBuf,
        /// The tensor at which the limit is passed.
        tensor: String,
        /// The limit.
        expected: usize,
        /// The bytes asked for.
        got: usize,
    },
    /// A tensor of a type that cannot be used.
    #[error("{}: tensor `{tensor}`: expected {expected}, got {got}", path.display())]
    TensorDtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The types allowed.
        expected: &'static str,
        /// Its type.
        got: String,
    },
    /// A tensor with another number of axes than its role needs.
    #[error("{}: tensor `{tensor}`: expected {expected} axes, got shape {got:?}", path.display())]
    TensorRank {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The number of axes needed.
        expected: usize,
        /// Its shape.
        got: Vec<usize>,
    },
    /// A weight that is NaN or infinite (or becomes so in `f32`).
    #[error("{}: tensor `{tensor}`: expected finite numbers, got {got} at {index:?}", path.display())]
    NonFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The first offending position.
        index: Vec<usize>,
        /// The value there.
        got: f64,
    },
    /// No tensor of any of the names looked for.
    #[error("{}: expected a tensor named {}, got {}", path.display(), expected.join(" or "), got.join(", "))]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The alternative names.
        expected: Vec<String>,
        /// Every tensor in the file with its type and shape.
        got: Vec<String>,
    },
    /// A key of a run's `cfg.json` that is missing or out of its range.
    #[error("{}: key `{key}`: expected {expected}, got {got}", path.display())]
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
    /// A weight whose shape does not fit the run's settings.
    #[error("{}: tensor `{tensor}`: expected shape {expected:?} ({because}), got {got:?}", path.display())]
    TensorShape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The shape the settings ask for.
        expected: Vec<usize>,
        /// Its shape.
        got: Vec<usize>,
        /// Where the expected extents come from.
        because: &'static str,
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
    #[error("{}: another process is training in this directory", path.display())]
    RunLocked {
        /// The directory.
        path: PathBuf,
    },
    /// A run directory that holds another run than the one to be trained.
    #[error("{}: the run there differs in `{what}`: expected {expected}, got {got}", path.display())]
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

    /// A file of the right format whose contents are at fault.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        source: Box<Error>,
    },
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// [`Error::Shape`] unless the two shapes are equal.
pub(crate) fn check_shape(what: &str, expected: &[usize], got: &[usize]) -> Result<()> {
    if expected == got {
        return Ok(());
    }
    Err(Error::Shape { what: what.into(), expected: expected.to_vec(), got: got.to_vec() })
}
