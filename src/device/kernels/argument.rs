//! What a kernel takes: numbers, choices, and buffers that it reads or writes, each with the type it has in CUDA C++.

use crate::device::buffer::{Buffer, Plain};
use std::ffi::c_void;
use std::marker::PhantomData;

/// An argument as the driver takes it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Raw {
    /// `int` or `unsigned`, as bits.
    Word(u32),
    Float(f32),
    Double(f64),
    Pointer(u64),
}

impl Raw {
    /// Where the argument lies, for as long as `self` stays there.
    pub fn address(&self) -> *mut c_void {
        match self {
            Self::Word(value) => std::ptr::from_ref(value) as *mut c_void,
            Self::Float(value) => std::ptr::from_ref(value) as *mut c_void,
            Self::Double(value) => std::ptr::from_ref(value) as *mut c_void,
            Self::Pointer(value) => std::ptr::from_ref(value) as *mut c_void,
        }
    }
}

/// A type of the parameters of kernels.
pub(super) trait Argument {
    /// The parameter's type in the source of the kernel.
    const TYPE: &'static str;

    fn raw(self) -> Raw;
}

impl Argument for usize {
    const TYPE: &'static str = "int";

    /// # Panics
    /// Beyond 2^31: the callers cut their work so that counts stay below.
    fn raw(self) -> Raw {
        Raw::Word(i32::try_from(self).expect("counts and strides of a launch are below 2^31") as u32)
    }
}

impl Argument for u32 {
    const TYPE: &'static str = "unsigned";

    fn raw(self) -> Raw {
        Raw::Word(self)
    }
}

impl Argument for bool {
    const TYPE: &'static str = "int";

    fn raw(self) -> Raw {
        Raw::Word(self.into())
    }
}

impl Argument for f32 {
    const TYPE: &'static str = "float";

    fn raw(self) -> Raw {
        Raw::Float(self)
    }
}

impl Argument for f64 {
    const TYPE: &'static str = "double";

    fn raw(self) -> Raw {
        Raw::Double(self)
    }
}

/// Types of the values behind pointers.
pub(super) trait Element {
    const INPUT: &'static str;
    const OUTPUT: &'static str;
}

macro_rules! elements {
    ($($type:ty = $name:literal),*) => {$(
        impl Element for $type {
            const INPUT: &'static str = concat!("const ", $name, "*");
            const OUTPUT: &'static str = concat!($name, "*");
        }
    )*};
}
elements!(f32 = "float", f64 = "double", u32 = "unsigned", u8 = "unsigned char");

/// Values of a buffer, or none, that a kernel reads.
#[derive(Debug)]
pub(crate) struct Input<'a, T> {
    address: u64,
    values: PhantomData<&'a Buffer<T>>,
}

/// Values of a buffer, or none, that a kernel writes, whether or not it reads them too.
///
/// A shared reference to the buffer is enough: what uses it runs in the order of the device's stream.
#[derive(Debug)]
pub(crate) struct Output<'a, T> {
    address: u64,
    values: PhantomData<&'a Buffer<T>>,
}

impl<T: Plain> Buffer<T> {
    /// All values, for a kernel that reads them.
    pub fn input(&self) -> Input<'_, T> {
        self.input_from(0)
    }

    /// The values from `start` on, for a kernel that reads them.
    pub fn input_from(&self, start: usize) -> Input<'_, T> {
        Input { address: self.at(start), values: PhantomData }
    }

    /// All values, for a kernel that writes them.
    pub fn output(&self) -> Output<'_, T> {
        self.output_from(0)
    }

    /// The values from `start` on, for a kernel that writes them.
    pub fn output_from(&self, start: usize) -> Output<'_, T> {
        Output { address: self.at(start), values: PhantomData }
    }
}

macro_rules! pointers {
    ($($pointer:ident $type:ident),*) => {$(
        impl<T> Clone for $pointer<'_, T> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<T> Copy for $pointer<'_, T> {}

        impl<T: Element> Argument for $pointer<'_, T> {
            const TYPE: &'static str = T::$type;

            fn raw(self) -> Raw {
                Raw::Pointer(self.address)
            }
        }

        impl<T: Element> Argument for Option<$pointer<'_, T>> {
            const TYPE: &'static str = T::$type;

            /// A null pointer where there is none.
            fn raw(self) -> Raw {
                Raw::Pointer(self.map_or(0, |pointer| pointer.address))
            }
        }
    )*};
}
pointers!(Input INPUT, Output OUTPUT);

/// An enumeration that kernels take as the number of its case.
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $number:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(dead_code)] // which are used depends on the features
        pub(crate) enum $name {
            $($(#[$case_doc])* $case = $number,)*
        }

        impl Argument for $name {
            const TYPE: &'static str = "int";

            fn raw(self) -> Raw {
                Raw::Word(self as u32)
            }
        }
    )*};
}

/// An elementwise function, by its number in `cuda/layers.cu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Function(pub u32);

impl Argument for Function {
    const TYPE: &'static str = "int";

    fn raw(self) -> Raw {
        Raw::Word(self.0)
    }
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
