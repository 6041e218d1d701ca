//! Orthogonal matrices of an irrep of any group, from its character.

use super::constituents::uniform;
use super::criterion::TOLERANCE;
use super::range::Kernel;
use super::{Irrep, Products, Representation};
use crate::error::{Error, Result};
use crate::group::{Elem, Group, GroupExt};
use crate::linalg::{symmetric_eigen, times};
use ndarray::{Array1, Array2, Axis, s};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Draws tried before giving up, each of four times as many elements as the one before.
const ATTEMPTS: u32 = 6;

/// Elements of the first draw.
const FIRST_DRAW: usize = 16;

/// Steps until what rounding adds outside the irrep's functions is taken off.
const PURE: usize = 4;

/// How far what is exact but for rounding may be off.
const CLOSE: f64 = 1e-6;

impl Irrep {
    /// Orthogonal matrices of the irrep, of any group.
    ///
    /// The functions spanned by the irrep's matrix entries fall into m = d / <chi, chi> copies of it under translation,
    /// `(L_y f)(x) = f(y^-1 x)`. Convolution on the other side with a random function c, `c(x^-1) = c(x)`, is symmetric and
    /// commutes with translation, so each of its eigenspaces is such a copy. The projector's column at the identity,
    /// `u = (m/n) chi`, is a sum of one function of each copy: c takes u to a space of m dimensions, in which the m functions
    /// are eigenvectors (found as Lanczos does). Fewer copies are looked at, often one alone, among the functions with
    /// `f(x h) = f(x)` or `f(x h) = -f(x)` for an element h that leaves few. The translates of one eigenvector, of the
    /// eigenvalue farthest from the others, are the columns of the projector onto its copy, and d of them give an orthonormal
    /// basis V, as for [`range`](Irrep::range). Then `rho(y) = V^T L_y V`: for generators of the group, and by multiplication
    /// for the rest. The matrices are real whatever the kind; for complex ones see [`Representation::complex`].
    ///
    /// # Arguments
    /// `seed`: of the draw. Same seed, same matrices, on one machine; another seed gives equivalent ones.
    ///
    /// # Returns
    /// (n, d, d), under the irrep's label.
    ///
    /// # Errors
    /// [`Error::NotAnIrrep`] if the character is not one of a real irrep of this group; [`Error::Shape`] for a group of
    /// another order.
    ///
    /// Cost: O(n d^2) for each of at most log2 n generators, and n products of d x d matrices.
    ///
    /// ```
    /// use irreplens::{group::Symmetric, irrep::irreps, laws};
    /// let group = Symmetric::new(4)?;
    /// for irrep in irreps(&group)? {
    ///     laws::irrep::representation(&group, &irrep.matrices(&group, 1)?)?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Source: Dixon, Mathematics of Computation 24 (1970) 707-712; Golub and Van Loan, Matrix Computations, 4th edition,
    /// section 10.1.
    pub fn matrices(&self, group: &(impl Group + ?Sized), seed: u64) -> Result<Representation<f64>> {
        self.check(&Products::new(group))?;
        let column = self.copy(group, seed)?;
        let copy = Kernel::new(group, column).range(self.dim).map_err(|got| self.wrong_rank(got))?; // (d, n)
        let generators: Vec<(Elem, Array2<f64>)> = group
            .generators()
            .into_iter()
            .map(|y| {
                let inverse = group.inverse(y);
                let moved: Vec<usize> = group.elements().map(|x| group.compose(inverse, x).index()).collect();
                (y, times(copy.view(), copy.select(Axis(1), &moved).t()))
            })
            .collect();
        let found = Representation::generated(group, &self.label, &generators)?;
        found.check(group)?;
        let off = (found.character() - &self.character).fold(0.0, |most: f64, v| most.max(v.abs()));
        match off > TOLERANCE * self.dim as f64 {
            true => Err(Error::not_an_irrep(&self.label, "matrices with the irrep's character", off)),
            false => Ok(found),
        }
    }

    /// The column at the identity of the projector onto one copy of the irrep: (n).
    fn copy(&self, group: &(impl Group + ?Sized), seed: u64) -> Result<Array1<f64>> {
        let (n, m) = (group.order(), self.multiplicity());
        let whole = &self.character * (m as f64 / n as f64);
        if m <= 1 {
            return Ok(whole);
        }
        let isotypic = Kernel::new(group, whole.clone());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for attempt in 0..ATTEMPTS {
            let mut draw = || group.element(((u128::from(rng.next_u64()) * n as u128) >> 64) as usize);
            let drawn: Vec<Elem> = (0..n.min(FIRST_DRAW << (2 * attempt))).map(|_| draw()).collect();
            // The copies in functions that a cyclic subgroup keeps or changes in sign, from the right.
            let few = drawn.iter().flat_map(|&h| self.signed(group, h)).min_by_key(|(copies, _)| *copies);
            let (copies, weights) = few.unwrap_or_else(|| (m, vec![(1.0, group.identity())]));
            let average: Vec<Translation> = weights.into_iter().map(|(s, y)| (s, translation(group, y))).collect();
            let convolution: Vec<Translation> =
                drawn.iter().map(|&y| (uniform(&mut rng), translation(group, y))).collect();
            let part = combined(&average, &whole);
            let operator = |step: usize, f: Array1<f64>| {
                // c is symmetric: the weight of y and of y^-1.
                let mut sum = combined(&convolution, &f);
                for (weight, moved) in &convolution {
                    moved.iter().zip(&f).for_each(|(xy, f)| sum[xy.index()] += weight * f);
                }
                let kept = combined(&average, &sum);
                // Rounding leaves the space, and grows there.
                if step % PURE == PURE - 1 { isotypic.apply(&kept) } else { kept }
            };
            if let Some(column) = spectral_part(&part, copies, operator)? {
                return Ok(column);
            }
        }
        Err(Error::not_an_irrep(&self.label, "as many eigenspaces as it has copies", m as f64))
    }

    /// For `<h>` and each of its characters s with the values 1 and -1: the number of copies of the irrep among the functions
    /// with `f(x h) = s(h) f(x)`, if there are any, and the weights that make the mean of `s(y) f(x y)` over y in `<h>`.
    fn signed(&self, group: &(impl Group + ?Sized), h: Elem) -> Vec<(usize, Vec<(f64, Elem)>)> {
        let identity = group.identity();
        let others = std::iter::successors(Some(h), |&y| Some(group.compose(y, h))).take_while(|&y| y != identity);
        let powers: Vec<Elem> = [identity].into_iter().chain(others).collect();
        let order = powers.len();
        let of_sign = |sign: f64| {
            let weight = |j: usize| if j % 2 == 1 { sign / order as f64 } else { 1.0 / order as f64 };
            let weights: Vec<(f64, Elem)> = powers.iter().enumerate().map(|(j, &y)| (weight(j), y)).collect();
            let mean: f64 = weights.iter().map(|(weight, y)| weight * self.character[y.index()]).sum();
            ((mean / self.kind.norm() as f64).round() as usize, weights)
        };
        let signs: &[f64] = if order.is_multiple_of(2) { &[1.0, -1.0] } else { &[1.0] };
        signs.iter().map(|&sign| of_sign(sign)).filter(|(copies, _)| *copies > 0).collect()
    }
}

/// A weight and `x y` for every x.
type Translation = (f64, Vec<Elem>);

fn translation(group: &(impl Group + ?Sized), y: Elem) -> Vec<Elem> {
    group.elements().map(|x| group.compose(x, y)).collect()
}

/// The sum of `weight f(x y)`.
fn combined(translations: &[Translation], f: &Array1<f64>) -> Array1<f64> {
    let mut sum = Array1::zeros(f.len());
    for (weight, moved) in translations {
        sum.iter_mut().zip(moved).for_each(|(sum, xy)| *sum += weight * f[xy.index()]);
    }
    sum
}

/// The part of `whole` in the eigenspace of a symmetric operator whose eigenvalue is farthest from the others, if there are
/// `count` eigenspaces in which `whole` has parts, all of the same norm; else `None`.
fn spectral_part(
    whole: &Array1<f64>,
    count: usize,
    operator: impl Fn(usize, Array1<f64>) -> Array1<f64>,
) -> Result<Option<Array1<f64>>> {
    let norm = whole.dot(whole).sqrt();
    let mut basis = Array2::<f64>::zeros((count, whole.len()));
    let mut tridiagonal = Array2::<f64>::zeros((count, count));
    let mut next = whole / norm;
    for j in 0..count {
        basis.row_mut(j).assign(&next);
        next = operator(j, next);
        // Against all earlier ones, twice: what Lanczos' three terms leave grows.
        let earlier = basis.slice(s![..=j, ..]);
        for _ in 0..2 {
            let products = earlier.dot(&next);
            tridiagonal[[j, j]] += products[j];
            next -= &products.dot(&earlier);
        }
        let length = next.dot(&next).sqrt();
        let scale = tridiagonal.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
        if (length <= CLOSE * scale) != (j + 1 == count) {
            return Ok(None);
        }
        if j + 1 < count {
            (tridiagonal[[j, j + 1]], tridiagonal[[j + 1, j]]) = (length, length);
            next /= length;
        }
    }
    let (values, vectors) = symmetric_eigen(tridiagonal.view())?;
    if vectors.row(0).iter().any(|v| (v * v * count as f64 - 1.0).abs() > CLOSE) {
        return Ok(None);
    }
    let gap = |i: usize| if i == 0 || i == count { f64::INFINITY } else { values[i] - values[i - 1] };
    let isolation = |i: usize| gap(i).min(gap(i + 1));
    let best = (0..count).max_by(|&a, &b| isolation(a).total_cmp(&isolation(b))).unwrap_or(0);
    Ok(Some(vectors.column(best).dot(&basis) * (norm * vectors[[0, best]])))
}
