//! The functions that an irrep's matrix entries span: projector and orthonormal basis.

use super::{Irrep, Products};
use crate::error::{Error, Result};
use crate::group::{Elem, Group, GroupExt};
use ndarray::{Array1, Array2, ArrayView1, Axis};

/// Of the largest residuals, the first within this share is the pivot: rounding does not decide between equals.
const TIE: f64 = 1e-6;

impl Irrep {
    /// The orthogonal projector onto the functions that the irrep's matrix entries span:
    /// `P[g, h] = d / (n <chi, chi>) chi(g h^-1)`, of rank `d^2 / <chi, chi>`.
    ///
    /// # Returns
    /// (n, n).
    ///
    /// # Errors
    /// [`Error::Shape`] for a group of another order; [`Error::NotAnIrrep`] if the character is not one of a real irrep
    /// of this group.
    ///
    /// Cost: n^2 products.
    ///
    /// ```
    /// use irreplens::{group::Cyclic, irrep::irreps};
    /// let group = Cyclic::new(5)?;
    /// let projector = irreps(&group)?[1].projector(&group)?;
    /// assert!((projector.diag().sum() - 2.0).abs() < 1e-12); // cos and sin
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    ///
    /// Source: Serre, Linear Representations of Finite Groups (1977), section 2.6.
    pub fn projector(&self, group: &(impl Group + ?Sized)) -> Result<Array2<f64>> {
        self.check_fully(group)?;
        let columns = Columns::new(self, group)?;
        let mut projector = Array2::zeros((group.order(), group.order()));
        for (h, mut row) in group.elements().zip(projector.rows_mut()) {
            row.assign(&columns.get(h)); // symmetric
        }
        Ok(projector)
    }

    /// An orthonormal basis of the range of the [`projector`](Irrep::projector), without the projector: columns of
    /// largest residual made orthogonal one after another (a pivoted Cholesky factorisation).
    ///
    /// Starts from the row of lowest index, so from the character itself where that is the identity; the first entry of
    /// every row that is not small is positive. On a cyclic group the two rows of a frequency are its cosine and its sine.
    ///
    /// # Returns
    /// (rank, n), one function a row.
    ///
    /// # Errors
    /// [`Error::Shape`] for a group of another order; [`Error::NotAnIrrep`] if the character is not one of a real irrep
    /// of this group.
    ///
    /// Cost: n rank products and O(n rank^2).
    pub fn range(&self, group: &(impl Group + ?Sized)) -> Result<Array2<f64>> {
        self.range_given(group, &Products::new(group))
    }

    /// [`range`](Irrep::range), given what all irreps of the group share.
    pub(crate) fn range_given(&self, group: &(impl Group + ?Sized), products: &Products) -> Result<Array2<f64>> {
        self.check(products)?;
        let (n, rank) = (group.order(), self.rank());
        let columns = Columns::new(self, group)?;
        let mut range = Array2::<f64>::zeros((rank, n));
        let mut residual = Array1::from_elem(n, rank as f64 / n as f64);
        for i in 0..rank {
            let largest = residual.iter().copied().fold(0.0, f64::max);
            // What is left of a projector has trace rank - i >= 1.
            if largest * (n as f64) < 0.5 {
                return Err(self.wrong_rank(i));
            }
            let pivot = residual.iter().position(|&r| r >= (1.0 - TIE) * largest).unwrap_or(0);
            let (done, mut rest) = range.view_mut().split_at(Axis(0), i);
            let mut row = rest.row_mut(0);
            row.assign(&columns.get(Elem::new(pivot)));
            // Twice is enough: Parlett, The Symmetric Eigenvalue Problem (1980), section 6-9.
            for _ in 0..2 {
                for earlier in done.outer_iter() {
                    let product = earlier.dot(&row);
                    row.scaled_add(-product, &earlier);
                }
            }
            let norm = row.dot(&row).sqrt();
            row /= norm;
            residual.zip_mut_with(&row, |r, v| *r -= v * v);
        }
        if residual.iter().any(|r| r.abs() * n as f64 > 1e-6) {
            return Err(self.wrong_rank(rank + 1));
        }
        self.check_span(products, range.view())?;
        for mut row in range.rows_mut() {
            let sign = first_significant(row.view()).signum();
            row *= sign;
        }
        Ok(range)
    }

    fn wrong_rank(&self, got: usize) -> Error {
        Error::NotAnIrrep {
            label: self.label.clone(),
            expected: "a projector of rank d^2 / <chi, chi>",
            got: got as f64,
        }
    }
}

fn first_significant(row: ArrayView1<'_, f64>) -> f64 {
    let largest = row.iter().fold(0.0, |largest: f64, v| largest.max(v.abs()));
    row.iter().copied().find(|v| v.abs() > TIE.sqrt() * largest).unwrap_or(1.0)
}

/// The columns of the projector.
struct Columns<'a, G: ?Sized> {
    group: &'a G,
    character: &'a Array1<f64>,
    scale: f64,
    inverses: Vec<Elem>,
}

impl<'a, G: Group + ?Sized> Columns<'a, G> {
    fn new(irrep: &'a Irrep, group: &'a G) -> Result<Self> {
        crate::error::check_shape("character of an irrep", &[group.order()], irrep.character.shape())?;
        let scale = irrep.multiplicity() as f64 / group.order() as f64;
        Ok(Self { group, character: &irrep.character, scale, inverses: group.inverses() })
    }

    fn get(&self, h: Elem) -> Array1<f64> {
        let inverse = self.inverses[h.index()];
        let entry = |g| self.scale * self.character[self.group.compose(g, inverse).index()];
        self.group.elements().map(entry).collect()
    }
}
