//! The coordinates: real orthonormal bases of the functions on a group.
//!
//! | type | basis | sectors |
//! |---|---|---|
//! | [`CyclicSubgroupBasis`] | cosines and sines of a cyclic subgroup `<h>`, the same on every coset | cosets `<h> g` |
//! | [`IrrepBasis`] | matrix coefficients of the real irreps of any group | the whole group |
//!
//! Conventions (element order in a sector, row order, normalisation, axes of the 2-D transform) are fixed in
//! [`guide::conventions`](crate::guide::conventions).

mod block;
mod cyclic_subgroup;
mod irrep_basis;
mod transform;

pub(crate) use block::check_blocks;
pub use block::{Block, BlockId};
pub use cyclic_subgroup::CyclicSubgroupBasis;
pub use irrep_basis::IrrepBasis;
pub(crate) use transform::transform_sectors;
pub use transform::{forward, forward_2d, inverse, inverse_2d, tile_2d, untile_2d};

use crate::error::{Error, Result};
use crate::group::{Elem, Fingerprint};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

/// Which way a transform goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Direction {
    /// From values at elements to coefficients.
    Forward,
    /// From coefficients to values.
    Inverse,
}

/// A real orthonormal basis of the functions on a group, in sectors and blocks.
///
/// A *sector* is a coset of the transformed subgroup, its elements in a fixed order; sectors partition the group and
/// have equal sizes m. A *component* is a pair (sector, row): the m rows are shared by all sectors, so there are
/// n components in all. A *block* is a set of rows that belong together; block 0 is the constant.
///
/// Four methods are required. The transform comes with the trait as the slow, obvious dense product in `f64`; a fast
/// path overrides [`transform`](FourierBasis::transform) and is held to it by the laws.
///
/// # Laws
/// 1. sectors partition the group, in equal sizes ([`laws::fourier::sectors`](crate::laws::fourier::sectors));
/// 2. blocks partition the rows in order, and block 0 is row 0, the constant
///    ([`blocks`](crate::laws::fourier::blocks));
/// 3. rows are orthonormal ([`orthonormality`](crate::laws::fourier::orthonormality));
/// 4. `transform` is the product with [`matrix`](FourierBasis::matrix)
///    ([`fast_equals_dense`](crate::laws::fourier::fast_equals_dense));
/// 5. inverse after forward is the identity, in 1-D and 2-D ([`inverse_1d`](crate::laws::fourier::inverse_1d),
///    [`inverse_2d`](crate::laws::fourier::inverse_2d));
/// 6. Parseval: both preserve the sum of squares ([`parseval`](crate::laws::fourier::parseval));
/// 7. where [`generator`](FourierBasis::generator) is `Some(h)`, sectors are cosets in the order h^0 g, h^1 g, ...
///    ([`cosets`](crate::laws::fourier::cosets)), shifting a function turns each block by an angle
///    ([`shift`](crate::laws::fourier::shift)) and convolution multiplies blocks as complex numbers
///    ([`convolution`](crate::laws::fourier::convolution));
/// 8. blocks belong to the group: the projector of every block commutes with translations by the transformed subgroup,
///    x -> h x, and where there is one sector, the whole group, with x -> x h too; where
///    [`fingerprint`](FourierBasis::fingerprint) is known, it is that of the group
///    ([`translations`](crate::laws::fourier::translations)).
///
/// # Example
/// The Walsh-Hadamard basis of C2 x C2, complete, with its laws:
/// ```
/// use irreplens::fourier::{Block, FourierBasis};
/// use irreplens::group::Elem;
///
/// struct Walsh { sectors: Vec<Vec<Elem>>, blocks: Vec<Block> }
///
/// impl Walsh {
///     fn new() -> Self {
///         let block = |i: usize| Block { name: ["const", "01", "10", "11"][i].into(), rows: i..i + 1 };
///         Self { sectors: vec![(0..4).map(Elem::new).collect()], blocks: (0..4).map(block).collect() }
///     }
/// }
///
/// impl FourierBasis for Walsh {
///     fn sectors(&self) -> &[Vec<Elem>] { &self.sectors }
///     fn blocks(&self) -> &[Block] { &self.blocks }
///     fn row_name(&self, row: usize) -> String { self.blocks[row].name.clone() }
///     fn value(&self, row: usize, position: usize) -> f64 {
///         if (row & position).count_ones() % 2 == 0 { 0.5 } else { -0.5 }
///     }
/// }
///
/// use irreplens::group::{Cyclic, DirectProduct};
/// let two = Cyclic::new(2)?;
/// irreplens::laws::fourier::check_on(&Walsh::new(), &DirectProduct::new(two, two)?)?;
/// let violation = irreplens::laws::fourier::check_on(&Walsh::new(), &Cyclic::new(4)?).unwrap_err();
/// assert_eq!(violation.law, "translations"); // orthonormal, but no basis for C4
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait FourierBasis: Send + Sync {
    /// The elements of each sector, in order.
    fn sectors(&self) -> &[Vec<Elem>];

    /// The blocks, block 0 the constant.
    fn blocks(&self) -> &[Block];

    /// What to call a row: `const`, `cos 3`, `sin 3`, a matrix coefficient.
    fn row_name(&self, row: usize) -> String;

    /// Entry (row, position) of the orthonormal matrix.
    fn value(&self, row: usize, position: usize) -> f64;

    /// The element h whose powers number the positions of every sector, where there is one.
    fn generator(&self) -> Option<Elem> {
        None
    }

    /// What the coordinates are, in words, for results that are printed.
    fn name(&self) -> String {
        format!("a basis of {} functions in {} blocks", self.rows(), self.blocks().len())
    }

    /// The fingerprint of the group whose functions it is a basis of, where it is known: then it is an error to use the
    /// basis with another group of the same order. A basis that does not say is held to the order alone.
    fn fingerprint(&self) -> Option<Fingerprint> {
        None
    }

    /// Order n of the group.
    fn order(&self) -> usize {
        self.sectors().len() * self.rows()
    }

    /// Number m of rows, which is the size of a sector.
    fn rows(&self) -> usize {
        self.sectors()[0].len()
    }

    /// Names of all rows.
    fn row_names(&self) -> Vec<String> {
        (0..self.rows()).map(|row| self.row_name(row)).collect()
    }

    /// The orthonormal m x m matrix, coefficients = matrix * values. O(m^2).
    fn matrix(&self) -> Array2<f64> {
        Array2::from_shape_fn((self.rows(), self.rows()), |(row, position)| self.value(row, position))
    }

    /// Applies the matrix (or its transpose, for the inverse) to every column of `input`.
    ///
    /// # Arguments
    /// `input` and `output`: (m, batch), `f32`, any strides.
    ///
    /// # Panics
    /// If the shapes differ or do not have m rows.
    ///
    /// Cost of this default: O(m^2 batch), in `f64`. It is the oracle for every faster override.
    fn transform(&self, direction: Direction, input: ArrayView2<'_, f32>, mut output: ArrayViewMut2<'_, f32>) {
        let matrix = self.matrix();
        let matrix = if direction == Direction::Forward { matrix.view() } else { matrix.t() };
        output.assign(&matrix.dot(&input.mapv(f64::from)).mapv(|v| v as f32));
    }

    /// The ids of all blocks, in order: what analyses take and return for a block. They follow from the other methods, and are
    /// not to be overridden.
    fn block_ids(&self) -> Vec<BlockId> {
        block::ids(&self)
    }

    /// The id of one block.
    ///
    /// # Errors
    /// [`Error::UnknownBlock`] for an index beyond those of [`blocks`](FourierBasis::blocks).
    fn block_id(&self, index: usize) -> Result<BlockId> {
        let blocks = self.blocks().len();
        self.block_ids().get(index).copied().ok_or(Error::UnknownBlock { block: index, blocks })
    }

    /// For every row, the index of the block it belongs to.
    fn block_of_row(&self) -> Vec<usize> {
        let mut block_of = vec![0; self.rows()];
        for (b, block) in self.blocks().iter().enumerate() {
            block_of[block.rows.clone()].fill(b);
        }
        block_of
    }

    /// Terms of the block of index `b` in a 2-D transform over all n^2: ({const} union block)^2 in every region, over all terms.
    /// This is the share of its energy that white noise has there.
    fn chance_share(&self, b: usize) -> f64 {
        let rows = if b == 0 { 1 } else { 1 + self.blocks()[b].rows.len() };
        (rows * rows) as f64 / (self.rows() * self.rows()) as f64
    }
}

macro_rules! forward_fourier_basis {
    ($($pointer:ty),*) => {$(
        impl<B: FourierBasis + ?Sized> FourierBasis for $pointer {
            fn sectors(&self) -> &[Vec<Elem>] {
                (**self).sectors()
            }
            fn blocks(&self) -> &[Block] {
                (**self).blocks()
            }
            fn block_ids(&self) -> Vec<BlockId> {
                (**self).block_ids()
            }
            fn row_name(&self, row: usize) -> String {
                (**self).row_name(row)
            }
            fn value(&self, row: usize, position: usize) -> f64 {
                (**self).value(row, position)
            }
            fn generator(&self) -> Option<Elem> {
                (**self).generator()
            }
            fn name(&self) -> String {
                (**self).name()
            }
            fn fingerprint(&self) -> Option<Fingerprint> {
                (**self).fingerprint()
            }
            fn order(&self) -> usize {
                (**self).order()
            }
            fn rows(&self) -> usize {
                (**self).rows()
            }
            fn row_names(&self) -> Vec<String> {
                (**self).row_names()
            }
            fn matrix(&self) -> Array2<f64> {
                (**self).matrix()
            }
            fn transform(&self, direction: Direction, input: ArrayView2<'_, f32>, output: ArrayViewMut2<'_, f32>) {
                (**self).transform(direction, input, output);
            }
            fn block_of_row(&self) -> Vec<usize> {
                (**self).block_of_row()
            }
            fn chance_share(&self, b: usize) -> f64 {
                (**self).chance_share(b)
            }
        }
    )*};
}
forward_fourier_basis!(&B, Box<B>, std::sync::Arc<B>);

/// An entry of an orthonormal matrix in `f32`. One that is zero but for rounding is zero: times what weight decay has left
/// of a dead neuron it would be subnormal, and processors are many times slower on those.
pub(crate) fn rounded(entry: f64) -> f32 {
    if entry.abs() < 1e-12 { 0.0 } else { entry as f32 }
}
