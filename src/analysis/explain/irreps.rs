//! Maps that are matrix coefficients of irreps, with one vector shared by a neuron's two maps.

use super::neuron::Fixed;
use crate::error::{Error, Result};
use crate::fourier::FourierBasis;
use crate::group::{CayleyTable, Group, GroupExt, Subgroup};
use crate::irrep::{Irrep, Kind, Representation};
use crate::linalg::{symmetric_eigen, times};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayView3, Axis, s};

/// A vector this much shorter than another is none.
const NONE: f64 = 1e-12;

/// What one irrep has of a neuron: its left map is `u^T rho(x) v`, its right map `v^T rho(y) w`, and its unembedding is along
/// `u^T rho(z) w`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Coefficient {
    /// The irrep, by its place in [`Explanation::irreps`](super::Explanation::irreps).
    pub irrep: usize,
    /// u (d), which makes the left map as large as it is.
    pub left: Array1<f64>,
    /// v (d), of norm 1.
    pub shared: Array1<f64>,
    /// w (d), which makes the right map as large as it is.
    pub right: Array1<f64>,
}

impl Coefficient {
    /// `u^T rho(x) v` at every x, `v^T rho(y) w` at every y, and `u^T rho(z) w / (|u| |w|)` at every z.
    pub(super) fn functions(&self, matrices: ArrayView3<'_, f64>) -> [Array1<f64>; 3] {
        let n = matrices.dim().0;
        let (mut left, mut right, mut out) = (Array1::zeros(n), Array1::zeros(n), Array1::zeros(n));
        let norms = norm(&self.left) * norm(&self.right);
        for (x, matrix) in matrices.outer_iter().enumerate() {
            let (of_shared, of_right) = (matrix.dot(&self.shared), matrix.dot(&self.right));
            left[x] = self.left.dot(&of_shared);
            right[x] = self.shared.dot(&of_right);
            out[x] = if norms > 0.0 { self.left.dot(&of_right) / norms } else { 0.0 };
        }
        [left, right, out]
    }

    /// Whether it is a function of both elements.
    pub(super) fn is_of_both(&self) -> bool {
        let (u, w) = (norm(&self.left), norm(&self.right));
        u > NONE * w && w > NONE * u
    }
}

fn norm(v: &Array1<f64>) -> f64 {
    v.dot(v).sqrt()
}

/// The irreps that the blocks of a basis are of, with their matrices.
pub(super) struct Irreps {
    pub irreps: Vec<Irrep>,
    pub matrices: Vec<Representation<f64>>,
    /// Entries of all matrices, (n, sum of d^2).
    entries: Array2<f64>,
    /// The first entry of each.
    first: Vec<usize>,
}

/// The irrep whose matrix entries a block of a basis in one sector spans: its character is the projector's column at the
/// identity, and its kind follows from the squares.
fn irrep_of_block(table: &CayleyTable, basis: &dyn FourierBasis, block: usize) -> Result<Irrep> {
    let block = &basis.blocks()[block];
    let n = table.order();
    let positions: Vec<usize> = basis.sectors()[0].iter().map(|x| x.index()).collect();
    let at = table.identity().index();
    let identity = positions.iter().position(|&x| x == at).unwrap_or(0);
    let mut column = Array1::<f64>::zeros(n);
    for row in block.rows.clone() {
        let there = basis.value(row, identity);
        positions.iter().enumerate().for_each(|(i, &x)| column[x] += there * basis.value(row, i));
    }
    let of_squares: f64 = table.elements().map(|x| column[table.compose(x, x).index()]).sum();
    let (rank, kind) = (
        block.rows.len(),
        match of_squares {
            v if v > 0.5 => Kind::Real,
            v if v < -0.5 => Kind::Quaternionic,
            _ => Kind::Complex,
        },
    );
    let dim = ((rank * kind.norm()) as f64).sqrt().round() as usize;
    let irrep = Irrep {
        label: block.name.clone(),
        kind,
        dim,
        character: column * (n as f64 * kind.norm() as f64 / dim as f64),
    };
    match irrep.rank() == rank {
        true => Ok(irrep),
        false => Err(Error::not_an_irrep(&block.name, "a block of d^2 / <chi, chi> rows", rank as f64)),
    }
}

impl Irreps {
    /// # Errors
    /// [`Error::Unsupported`] for a basis in several sectors; [`Error::NotAnIrrep`] for one whose blocks are not irreps.
    pub fn new(table: &CayleyTable, basis: &dyn FourierBasis) -> Result<Self> {
        if basis.sectors().len() != 1 {
            let needs = "a basis in one sector whose blocks are the irreps of the group, as `IrrepBasis` is";
            return Err(Error::Unsupported { analysis: "explain", needs });
        }
        let irreps: Vec<Irrep> =
            (0..basis.blocks().len()).map(|block| irrep_of_block(table, basis, block)).collect::<Result<_>>()?;
        let n = table.order();
        let total = irreps.iter().map(|irrep| irrep.dim * irrep.dim).sum();
        crate::memory::check("matrices of all irreps", crate::memory::bytes::<f64>(&[2, n, total]))?;
        let matrices: Vec<_> = irreps.iter().map(|irrep| irrep.matrices(table, 1)).collect::<Result<_>>()?;
        let mut entries = Array2::zeros((n, total));
        let mut first = Vec::with_capacity(irreps.len());
        let mut next = 0;
        for (irrep, matrices) in irreps.iter().zip(&matrices) {
            first.push(next);
            let width = irrep.dim * irrep.dim;
            let of_irrep = matrices.matrices();
            let flat = of_irrep.to_shape((n, width)).expect("d x d entries each");
            entries.slice_mut(s![.., next..next + width]).assign(&flat);
            next += width;
        }
        Ok(Self { irreps, matrices, entries, first })
    }

    /// `sum over x of f(x) rho(x)` for functions (n, functions) and all irreps: (functions, sum of d^2).
    pub fn sums(&self, functions: ArrayView2<'_, f64>) -> Array2<f64> {
        times(functions.t(), self.entries.view())
    }

    /// The part of an irrep in what `sums` gives for one function: (d, d).
    pub fn part<'a>(&self, sums: ArrayView1<'a, f64>, irrep: usize) -> ArrayView2<'a, f64> {
        let (d, first) = (self.irreps[irrep].dim, self.first[irrep]);
        sums.slice_move(s![first..first + d * d]).into_shape_with_order((d, d)).expect("d x d entries")
    }

    /// The energy of a function in an irrep, of its [`part`](Irreps::part).
    pub fn energy(&self, part: ArrayView2<'_, f64>, irrep: usize) -> f64 {
        let scale = self.irreps[irrep].multiplicity() as f64 / part_order(&self.matrices[irrep]);
        scale * part.iter().map(|v| v * v).sum::<f64>()
    }

    /// The coefficient nearest to two maps, given their parts A and B: v is the first eigenvector of `A^T A + B B^T`,
    /// `u = d/n A v`, `w = d/n B^T v`.
    ///
    /// The matrices of an irrep satisfy `sum over x of (rho(x)^T u)(rho(x)^T u)^T = n/d |u|^2`, so that the nearest u for a
    /// given v is that product, and what v leaves of the two energies is least for the first eigenvector.
    ///
    /// # Arguments
    /// `fixed`: what is to fix the vectors.
    pub fn coefficient(
        &self,
        irrep: usize,
        parts: [ArrayView2<'_, f64>; 2],
        fixed: Option<&Fixed>,
    ) -> Result<Coefficient> {
        let (mut a, mut b) = (parts[0].to_owned(), parts[1].to_owned());
        if let Some([h, k]) = fixed.and_then(|fixed| fixed.outer.as_ref()) {
            a = self.fixing(irrep, h).dot(&a);
            b = b.dot(&self.fixing(irrep, k));
        }
        if let Some(j) = fixed.and_then(|fixed| fixed.shared.as_ref()) {
            let fixing = self.fixing(irrep, j);
            (a, b) = (a.dot(&fixing), fixing.dot(&b));
        }
        let shared = match a.nrows() {
            1 => Array1::ones(1),
            d => symmetric_eigen((a.t().dot(&a) + b.dot(&b.t())).view())?.1.column(d - 1).to_owned(),
        };
        // An eigenvector has either sign.
        let largest = shared.iter().fold(0.0, |most: f64, v| if v.abs() > most.abs() + NONE { *v } else { most });
        let shared = shared * largest.signum();
        let scale = a.nrows() as f64 / part_order(&self.matrices[irrep]);
        Ok(Coefficient { irrep, left: a.dot(&shared) * scale, right: b.t().dot(&shared) * scale, shared })
    }

    /// The projection onto the vectors that a subgroup fixes: the mean of its matrices.
    fn fixing(&self, irrep: usize, subgroup: &Subgroup) -> Array2<f64> {
        let rows: Vec<usize> = subgroup.elements().iter().map(|x| x.index()).collect();
        let of_subgroup = self.matrices[irrep].matrices().select(Axis(0), &rows);
        of_subgroup.mean_axis(Axis(0)).expect("a subgroup has elements")
    }

    /// The dimensions of the spaces in which u, v and w are.
    pub fn fixed_dims(&self, irrep: usize, fixed: &Fixed) -> [usize; 3] {
        let of = |subgroup: Option<&Subgroup>| subgroup.map_or(self.irreps[irrep].dim, |h| self.fixed_dim(irrep, h));
        let outer = fixed.outer.as_ref();
        [of(outer.map(|[h, _]| h)), of(fixed.shared.as_ref()), of(outer.map(|[_, k]| k))]
    }

    /// The dimension of the space of vectors that a subgroup fixes: the mean of the character on it.
    fn fixed_dim(&self, irrep: usize, subgroup: &Subgroup) -> usize {
        let character = &self.irreps[irrep].character;
        let sum: f64 = subgroup.elements().iter().map(|x| character[x.index()]).sum();
        (sum / subgroup.order() as f64).round() as usize
    }
}

fn part_order(matrices: &Representation<f64>) -> f64 {
    matrices.order() as f64
}
