//! The basis of a group by its real irreps.

use super::{Block, Direction, FourierBasis, rounded};
use crate::error::{Error, Result};
use crate::group::{Elem, Fingerprint, Group, GroupExt};
use crate::irrep::{Irrep, Products, irreps};
use crate::linalg::matmul_into;
use crate::memory;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};

/// The functions on any finite group, by real irreps: one sector, the whole group, and one block for each irrep.
///
/// The rows of a block are an orthonormal basis of the range of the irrep's projector
/// ([`Irrep::range`]); there are `d^2 / <chi, chi>` of them. Block 0 is the trivial irrep, the others come in the order of
/// the irreps. On a cyclic group this is its real Fourier basis, with the blocks in that order.
///
/// ```
/// use irreplens::{fourier::{FourierBasis, IrrepBasis}, group::Symmetric};
/// let basis = IrrepBasis::new(&Symmetric::new(4)?)?;
/// let sizes: Vec<usize> = basis.blocks().iter().map(|block| block.rows.len()).collect();
/// assert_eq!(sizes, [1, 1, 4, 9, 9]);
/// # Ok::<(), irreplens::Error>(())
/// ```
pub struct IrrepBasis {
    irreps: Vec<Irrep>,
    sectors: Vec<Vec<Elem>>,
    blocks: Vec<Block>,
    matrix: Array2<f64>,
    single: Array2<f32>,
    fingerprint: Fingerprint,
}

impl IrrepBasis {
    /// The basis by the irreps that the library finds ([`irreps`]), under their labels.
    ///
    /// # Errors
    /// The errors of [`irreps`]; [`Error::Memory`](crate::Error::Memory) where its bytes are over the budget.
    ///
    /// Cost: O(n times the sum of squared ranks), and 12 n^2 bytes.
    pub fn new(group: &(impl Group + ?Sized)) -> Result<Self> {
        Self::from_irreps(group, irreps(group)?)
    }

    /// The basis by all real irreps of the group as given, the trivial one first.
    ///
    /// # Errors
    /// [`Error::Shape`] if an irrep is of another group, or if their ranks do not add up to the order;
    /// [`Error::NotAnIrrep`] for a character that is none, one that occurs twice, or a first irrep that is not trivial;
    /// [`Error::Memory`] over the budget.
    pub fn from_irreps(group: &(impl Group + ?Sized), irreps: Vec<Irrep>) -> Result<Self> {
        let n = group.order();
        let ranks = irreps.iter().map(Irrep::rank).fold(0, usize::saturating_add);
        crate::error::check_shape("rows of all irreps together", &[n], &[ranks])?;
        if let Some(&off) = irreps[0].character.iter().find(|&&value| (value - 1.0).abs() > 1e-9 || value.is_nan()) {
            return Err(Error::not_an_irrep(&irreps[0].label, "the trivial irrep first, 1 everywhere", off));
        }
        // The matrix twice, and the largest block with its pivoting.
        let largest = irreps.iter().map(Irrep::rank).max().unwrap_or(0);
        let blocks = memory::bytes::<f64>(&[2, n, largest]);
        memory::check("a basis by irreps", memory::bytes::<u32>(&[3, n, n]).saturating_add(blocks))?;
        let mut matrix = Array2::zeros((n, n));
        let mut blocks: Vec<Block> = Vec::new();
        let products = Products::new(group);
        for irrep in &irreps {
            let first = blocks.last().map_or(0, |block| block.rows.end);
            let rows = first..first + irrep.rank();
            matrix.slice_mut(s![rows.clone(), ..]).assign(&irrep.range_given(group, &products)?);
            blocks.push(Block { name: irrep.label.clone(), rows });
        }
        check_different(group, &irreps)?;
        let single = matrix.mapv(rounded);
        let (sectors, fingerprint) = (vec![group.elements().collect()], group.fingerprint());
        Ok(Self { irreps, sectors, blocks, matrix, single, fingerprint })
    }

    /// The irreps, one for each block.
    #[must_use]
    pub fn irreps(&self) -> &[Irrep] {
        &self.irreps
    }
}

/// Refuses irreps of which one occurs twice: `sum of d / <chi, chi> chi` over all irreps once each is n at the identity
/// and 0 elsewhere.
fn check_different(group: &(impl Group + ?Sized), irreps: &[Irrep]) -> Result<()> {
    let mut sum = ndarray::Array1::<f64>::zeros(group.order());
    for irrep in irreps {
        sum.scaled_add(irrep.multiplicity() as f64, &irrep.character);
    }
    sum[group.identity().index()] -= group.order() as f64;
    if sum.iter().all(|off| off.abs() < 1e-3) {
        return Ok(());
    }
    let product = |i: usize, j: usize| irreps[i].character.dot(&irreps[j].character) / group.order() as f64;
    let pairs = (0..irreps.len()).flat_map(|j| (0..j).map(move |i| (i, j)));
    let (i, j) = pairs.max_by(|a, b| product(a.0, a.1).total_cmp(&product(b.0, b.1))).unwrap_or((0, 0));
    let expected = "irreps that differ, <chi_i, chi_j> = 0 with every other of the list";
    Err(Error::NotAnIrrep { label: irreps[j].label.clone(), expected, got: product(i, j) })
}

impl FourierBasis for IrrepBasis {
    fn sectors(&self) -> &[Vec<Elem>] {
        &self.sectors
    }
    fn blocks(&self) -> &[Block] {
        &self.blocks
    }
    fn row_name(&self, row: usize) -> String {
        let block = self.blocks.iter().find(|block| block.rows.contains(&row)).expect("row below the number of rows");
        if block.rows.len() == 1 {
            return block.name.clone();
        }
        format!("{} [{}]", block.name, row - block.rows.start)
    }
    fn value(&self, row: usize, position: usize) -> f64 {
        self.matrix[[row, position]]
    }
    fn name(&self) -> String {
        format!("the {} real irreps of the whole group", self.irreps.len())
    }
    fn fingerprint(&self) -> Option<Fingerprint> {
        Some(self.fingerprint)
    }
    fn matrix(&self) -> Array2<f64> {
        self.matrix.clone()
    }
    fn transform(&self, direction: Direction, input: ArrayView2<'_, f32>, output: ArrayViewMut2<'_, f32>) {
        match direction {
            Direction::Forward => matmul_into(self.single.view(), input, output),
            Direction::Inverse => matmul_into(self.single.t(), input, output),
        }
    }
}
