//! What a kernel takes: numbers, choices, and values that it reads or writes, each with the type it has in CUDA C++.

use crate::device::buffer::{Buffer, Plain};
use std::marker::PhantomData;

/// A type of the fields of kernels: one parameter, or a few that go together.
pub(super) trait Argument {
    /// Names of the parameters, where `*` is the field's, and their types in the source of the kernel.
    const PARAMETERS: &'static [(&'static str, &'static str)];

    /// Adds the arguments, as bits: the driver reads as many of the low ones as the parameter has.
    fn push(self, words: &mut Vec<u64>);
}

macro_rules! numbers {
    ($($type:ty = $name:literal, $word:expr;)*) => {$(
        impl Argument for $type {
            const PARAMETERS: &'static [(&'static str, &'static str)] = &[("*", $name)];

            fn push(self, words: &mut Vec<u64>) {
                words.push($word(self));
            }
        }
    )*};
}

numbers! {
    usize = "int", count;
    u32 = "unsigned", u64::from;
    bool = "int", u64::from;
    f32 = "float", |v: f32| u64::from(v.to_bits());
    f64 = "double", f64::to_bits;
    Function = "int", |function: Function| u64::from(function.0);
}

/// # Panics
/// Beyond 2^31: the callers cut their work so that counts stay below.
fn count(value: usize) -> u64 {
    i32::try_from(value).expect("counts and strides of a launch are below 2^31") as u64
}

/// Types of the values behind pointers, as they are read and as they are written.
pub(super) trait Element {
    const POINTERS: [&'static str; 2];
}

macro_rules! elements {
    ($($type:ty = $name:literal),*) => {$(
        impl Element for $type {
            const POINTERS: [&'static str; 2] = [concat!("const ", $name, "*"), concat!($name, "*")];
        }
    )*};
}
elements!(f32 = "float", f64 = "double", u32 = "unsigned", u8 = "unsigned char");

/// Values of a buffer that a kernel reads or, where `WRITES` is set, writes, whether or not it reads them too.
///
/// A shared reference to the buffer is enough: what uses it runs in the order of the device's stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pointer<'a, T, const WRITES: bool> {
    address: u64,
    values: PhantomData<&'a Buffer<T>>,
}

/// Values of a buffer that a kernel reads.
pub(crate) type Input<'a, T> = Pointer<'a, T, false>;

/// Values of a buffer that a kernel writes.
pub(crate) type Output<'a, T> = Pointer<'a, T, true>;

impl<T: Plain> Buffer<T> {
    /// All values, for a kernel that reads them.
    pub fn input(&self) -> Input<'_, T> {
        self.input_from(0)
    }

    /// The values from `start` on, for a kernel that reads them.
    pub fn input_from(&self, start: usize) -> Input<'_, T> {
        Pointer { address: self.at(start), values: PhantomData }
    }

    /// All values, for a kernel that writes them.
    pub fn output(&self) -> Output<'_, T> {
        self.output_from(0)
    }

    /// The values from `start` on, for a kernel that writes them.
    pub fn output_from(&self, start: usize) -> Output<'_, T> {
        Pointer { address: self.at(start), values: PhantomData }
    }
}

impl<T: Element, const WRITES: bool> Argument for Pointer<'_, T, WRITES> {
    const PARAMETERS: &'static [(&'static str, &'static str)] = &[("*", T::POINTERS[WRITES as usize])];

    fn push(self, words: &mut Vec<u64>) {
        words.push(self.address);
    }
}

impl<A: Argument> Argument for Option<A> {
    const PARAMETERS: &'static [(&'static str, &'static str)] = A::PARAMETERS;

    /// Null pointers where there is none.
    fn push(self, words: &mut Vec<u64>) {
        match self {
            Some(argument) => argument.push(words),
            None => words.extend(A::PARAMETERS.iter().map(|_| 0)),
        }
    }
}

/// Rows of numbers: where they begin, the distance between rows, and that between the networks of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<P> {
    pub values: P,
    pub stride: usize,
    pub batch: usize,
}

/// Rows that a kernel reads.
pub(crate) type InputRows<'a> = Rows<Input<'a, f32>>;

/// Rows that a kernel writes.
pub(crate) type OutputRows<'a> = Rows<Output<'a, f32>>;

impl<P: Argument> Argument for Rows<P> {
    const PARAMETERS: &'static [(&'static str, &'static str)] =
        &[("*", P::PARAMETERS[0].1), ("stride_*", "int"), ("batch_*", "int")];

    fn push(self, words: &mut Vec<u64>) {
        self.values.push(words);
        self.stride.push(words);
        self.batch.push(words);
    }
}

/// The pairs x n + y of rows: listed, the lists of networks `batch` apart, or numbered from `first` on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pairs<'a> {
    /// Order of the group.
    pub n: usize,
    pub list: Option<Input<'a, u32>>,
    pub first: u32,
    pub batch: usize,
}

impl Argument for Pairs<'_> {
    const PARAMETERS: &'static [(&'static str, &'static str)] =
        &[("n", "int"), ("*", "const unsigned*"), ("first", "unsigned"), ("batch_*", "int")];

    fn push(self, words: &mut Vec<u64>) {
        self.n.push(words);
        self.list.push(words);
        self.first.push(words);
        self.batch.push(words);
    }
}

/// An elementwise function, by its number in `cuda/layers.cu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Function(pub u32);

/// An enumeration that kernels take as the number of its case.
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $number:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(dead_code)] // which are used depends on the features
        pub(crate) enum $name {
            $($(#[$case_doc])* $case = $number,)*
        }

        numbers! { $name = "int", |choice: $name| choice as u64; }
    )*};
}

choices! {
    /// How two rows are put together, elementwise.
    Combination {
        /// max(0, a + b).
        SumRelu = 0,
        /// a b.
        Product = 1,
        /// a + b.
        Sum = 2,
    }

    /// Which row of a value belongs to a pair.
    By {
        /// The row of the pair itself.
        Row = 0,
        /// The row of the left element.
        Left = 1,
        /// The row of the right element.
        Right = 2,
        /// The only row.
        One = 3,
    }

    /// What is done with a product of matrices on its way to memory.
    Epilogue {
        /// Nothing.
        Store = 0,
        /// max(0, v).
        Relu = 1,
        /// 0 where the mask is not positive in the same place.
        Mask = 2,
        /// The sum with what is there.
        Add = 3,
    }

    /// Where the values of a hook lie.
    HookValues {
        /// There are none.
        Nothing = 0,
        /// One for every channel acted on: (channels).
        ByChannel = 1,
        /// For all pairs of the task: (pairs, channels).
        ByPair = 2,
        /// For the rows of the block: (rows, channels).
        ByRow = 3,
    }
}
