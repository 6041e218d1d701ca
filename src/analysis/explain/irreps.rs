//! Maps that are matrix coefficients of irreps, with one vector shared by a neuron's two maps.

use super::super::irrep_parts::Irreps;
use super::neuron::Fixed;
use crate::error::Result;
use crate::group::Subgroup;
use crate::linalg::symmetric_eigen;
use ndarray::{Array1, Array2, ArrayView2, ArrayView3, Axis};

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

impl Irreps {
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
        let scale = a.nrows() as f64 / self.order();
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
