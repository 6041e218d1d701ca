//! The functions that an irrep's matrix entries span: the projector onto them, and an orthonormal basis.

use super::{Irrep, Products};
use crate::error::{Error, Result};
use crate::group::{Group, GroupExt};
use crate::linalg::{Onto, product, times};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis, s};

/// The first of the residuals within this share of the largest is the pivot: rounding does not decide between equals.
const TIE: f64 = 1e-6;

/// Residuals this near are equal but for rounding.
const EQUAL: f64 = 1e-9;

/// Rows of a basis that are made at a time.
const BLOCK: usize = 64;

/// At most so many columns are looked at for the pivots of a block.
const CANDIDATES: usize = 96;

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
        let kernel = self.kernel(group)?;
        let mut projector = Array2::zeros((group.order(), group.order()));
        for (h, row) in projector.rows_mut().into_iter().enumerate() {
            kernel.column(h, row); // symmetric
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
    /// Cost: n rank products and O(n rank^2), in matrix products.
    pub fn range(&self, group: &(impl Group + ?Sized)) -> Result<Array2<f64>> {
        self.range_given(group, &Products::new(group))
    }

    /// [`range`](Irrep::range), given what all irreps of the group share.
    pub(crate) fn range_given(&self, group: &(impl Group + ?Sized), products: &Products) -> Result<Array2<f64>> {
        self.check(products)?;
        let range = self.kernel(group)?.range(self.rank()).map_err(|got| self.wrong_rank(got))?;
        self.check_span(products, range.view())?;
        Ok(range)
    }

    fn kernel<'a, G: Group + ?Sized>(&self, group: &'a G) -> Result<Kernel<'a, G>> {
        crate::error::check_shape("character of an irrep", &[group.order()], self.character.shape())?;
        let scale = self.multiplicity() as f64 / group.order() as f64;
        Ok(Kernel::new(group, &self.character * scale))
    }

    pub(super) fn wrong_rank(&self, got: usize) -> Error {
        Error::not_an_irrep(&self.label, "a projector of rank d^2 / <chi, chi>", got as f64)
    }
}

/// An orthogonal projector that commutes with translation: `P[g, h] = f(h^-1 g)`.
pub(super) struct Kernel<'a, G: ?Sized> {
    group: &'a G,
    inverses: Vec<usize>,
    function: Array1<f64>,
}

impl<'a, G: Group + ?Sized> Kernel<'a, G> {
    pub fn new(group: &'a G, function: Array1<f64>) -> Self {
        Self { group, inverses: group.inverses().into_iter().map(|x| x.index()).collect(), function }
    }

    fn entry(&self, g: usize, h: usize) -> f64 {
        let inverse = self.group.element(self.inverses[h]);
        self.function[self.group.compose(inverse, self.group.element(g)).index()]
    }

    /// Column h, which by symmetry is row h.
    fn column(&self, h: usize, mut out: ArrayViewMut1<'_, f64>) {
        let inverse = self.group.element(self.inverses[h]);
        for (g, entry) in self.group.elements().zip(&mut out) {
            *entry = self.function[self.group.compose(inverse, g).index()];
        }
    }

    /// The projection of a function.
    pub fn apply(&self, function: &Array1<f64>) -> Array1<f64> {
        let mut column = Array1::zeros(function.len());
        let along = |g| {
            self.column(g, column.view_mut()); // symmetric
            column.dot(function)
        };
        (0..function.len()).map(along).collect()
    }

    /// An orthonormal basis of the range, as [`Irrep::range`] says: (rank, n).
    ///
    /// The pivots of a block are found from the residuals of a few columns, and then its rows are made at once, by matrix
    /// products.
    ///
    /// # Errors
    /// The rank that the projector has in place of this one, or a greater one.
    pub fn range(&self, rank: usize) -> Result<Array2<f64>, usize> {
        let n = self.group.order();
        let mut range = Array2::<f64>::zeros((rank, n));
        let mut residual = Array1::from_elem(n, self.function[self.group.identity().index()]);
        let mut done = 0;
        while done < rank {
            let (basis, mut rest) = range.view_mut().split_at(Axis(0), done);
            let basis = basis.view();
            let pivots = self.pivots(basis, &residual, rank - done).ok_or(done)?;
            let mut rows = rest.slice_mut(s![..pivots.len(), ..]);
            for (&pivot, row) in pivots.iter().zip(rows.rows_mut()) {
                self.column(pivot, row);
            }
            if done > 0 {
                // The rows of a basis are their own products with the projector's columns.
                product(basis.select(Axis(1), &pivots).t(), basis, rows.view_mut(), Onto::Minus);
                // Twice is enough: Parlett, The Symmetric Eigenvalue Problem (1980), section 6-9.
                product(times(rows.view(), basis.t()).view(), basis, rows.view_mut(), Onto::Minus);
            }
            orthonormalise(rows.view_mut()).ok_or(done)?;
            for row in rows.rows() {
                residual.zip_mut_with(&row, |r, v| *r -= v * v);
            }
            done += pivots.len();
        }
        if residual.iter().any(|r| r.abs() * n as f64 > 1e-6) {
            return Err(rank + 1);
        }
        for mut row in range.rows_mut() {
            let sign = first_significant(row.view()).signum();
            row *= sign;
        }
        Ok(range)
    }

    /// The pivots that come next, at most `left` and one [`BLOCK`]; `None` if too little is left of the projector.
    ///
    /// Residuals never grow. So of some candidates the pivot is one for as long as their largest residual is above `floor`:
    /// where more are tied than can be looked at, the first of them for as long as one still has the largest residual; else
    /// the columns of largest residual for as long as one has more than all others have now.
    fn pivots(&self, basis: ArrayView2<'_, f64>, residual: &Array1<f64>, left: usize) -> Option<Vec<usize>> {
        let n = residual.len();
        // What is left of a projector has trace `left` >= 1.
        let enough = |largest: f64| largest * n as f64 >= 0.5;
        let (_, largest) = pivot(residual);
        if !enough(largest) {
            return None;
        }
        let count = CANDIDATES.min(4 * left);
        let mut candidates: Vec<usize> = (0..n).filter(|&g| residual[g] >= (1.0 - TIE) * largest).collect();
        let mut floor = (1.0 - EQUAL) * largest;
        if candidates.len() >= count {
            candidates.truncate(count);
        } else if count < n {
            candidates = (0..n).collect();
            candidates.select_nth_unstable_by(count, |&a, &b| residual[b].total_cmp(&residual[a]));
            floor = residual[candidates[count]] / (1.0 - TIE);
            candidates.truncate(count);
            candidates.sort_unstable();
        } else {
            candidates = (0..n).collect();
            floor = 0.0;
        }
        let part = basis.select(Axis(1), &candidates);
        let mut still: Array1<f64> = candidates.iter().map(|&g| residual[g]).collect();
        let (mut pivots, mut rows): (Vec<usize>, Vec<Array1<f64>>) = (Vec::new(), Vec::new());
        while pivots.len() < BLOCK.min(left) {
            let (pivot, largest) = pivot(&still);
            if largest <= floor || !enough(largest) {
                break;
            }
            let mut row: Array1<f64> = candidates.iter().map(|&g| self.entry(g, candidates[pivot])).collect();
            row -= &part.column(pivot).dot(&part);
            for earlier in &rows {
                row.scaled_add(-earlier[pivot], earlier);
            }
            row /= row[pivot].sqrt();
            still.zip_mut_with(&row, |r, v| *r -= v * v);
            rows.push(row);
            pivots.push(candidates[pivot]);
        }
        if pivots.is_empty() {
            // Of columns tied but for rounding the largest may be none of the candidates.
            pivots.push(pivot(residual).0);
        }
        Some(pivots)
    }
}

/// The first of the largest residuals, and the largest.
fn pivot(residual: &Array1<f64>) -> (usize, f64) {
    let largest = residual.iter().copied().fold(0.0, f64::max);
    (residual.iter().position(|&r| r >= (1.0 - TIE) * largest).unwrap_or(0), largest)
}

/// Makes rows orthonormal in turn, as Gram and Schmidt do; `None` if one depends on those before it.
///
/// Through the triangular factor of their products, twice: Yamamoto et al., Electronic Transactions on Numerical Analysis 44
/// (2015) 306-326.
pub(super) fn orthonormalise(mut rows: ArrayViewMut2<'_, f64>) -> Option<()> {
    for _ in 0..2 {
        let upright = inverse_cholesky(times(rows.view(), rows.t()).view())?;
        let orthonormal = times(upright.view(), rows.view());
        rows.assign(&orthonormal);
    }
    Some(())
}

/// L^-1 for a matrix L L^T, or `None` if it is not positive definite.
fn inverse_cholesky(gram: ArrayView2<'_, f64>) -> Option<Array2<f64>> {
    let n = gram.nrows();
    let (mut lower, mut inverse) = (Array2::<f64>::zeros((n, n)), Array2::<f64>::zeros((n, n)));
    for i in 0..n {
        for j in 0..i {
            let sum = gram[[i, j]] - lower.slice(s![i, ..j]).dot(&lower.slice(s![j, ..j]));
            lower[[i, j]] = sum / lower[[j, j]];
        }
        let earlier = lower.slice(s![i, ..i]);
        let square = gram[[i, i]] - earlier.dot(&earlier);
        if square.is_nan() || square <= 0.0 {
            return None;
        }
        let mut row = -earlier.dot(&inverse.slice(s![..i, ..]));
        row[i] = 1.0;
        row /= square.sqrt();
        inverse.row_mut(i).assign(&row);
        lower[[i, i]] = square.sqrt();
    }
    Some(inverse)
}

fn first_significant(row: ArrayView1<'_, f64>) -> f64 {
    let largest = row.iter().fold(0.0, |largest: f64, v| largest.max(v.abs()));
    row.iter().copied().find(|v| v.abs() > TIE.sqrt() * largest).unwrap_or(1.0)
}
