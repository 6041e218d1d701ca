//! Orthogonal matrices of an irrep, from its character.

use super::constituents::{ATTEMPTS, clusters, uniform};
use super::criterion::TOLERANCE;
use super::{Irrep, Representation};
use crate::error::{Error, Result};
use crate::group::{Elem, Group, GroupExt};
use crate::linalg::symmetric_eigen;
use ndarray::{Array2, ArrayView2, s};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The gap around a copy's eigenvalues that makes its functions exact, as a share of the spread.
const ISOLATED: f64 = 1e-3;

impl Irrep {
    /// Orthogonal matrices of the irrep, of any group.
    ///
    /// The functions spanned by the irrep's matrix entries fall into copies of it under translation,
    /// `(L_y f)(x) = f(y^-1 x)`. Convolution on the other side with a random function c, `c(x^-1) = c(x)`, is symmetric and
    /// commutes with translation, so each of its eigenspaces is such a copy; of these the one farthest from the others is
    /// taken. With V an orthonormal basis of it, `rho(y) = V^T L_y V`: for generators of the group, and by multiplication
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
    /// Cost: O(n^2 rank + n rank^2 + rank^3 + n d^3), and n^2 numbers of memory.
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
    /// Source: Dixon, Mathematics of Computation 24 (1970) 707-712.
    pub fn matrices(&self, group: &(impl Group + ?Sized), seed: u64) -> Result<Representation<f64>> {
        let range = self.range(group)?; // (rank, n)
        let subspace = if self.multiplicity() == 1 { range } else { self.copy(group, range, seed)? };
        let generators: Vec<(Elem, Array2<f64>)> = group
            .generators()
            .into_iter()
            .map(|y| {
                let inverse = group.inverse(y);
                let moved: Vec<usize> = group.elements().map(|x| group.compose(inverse, x).index()).collect();
                (y, subspace.dot(&subspace.select(ndarray::Axis(1), &moved).t()))
            })
            .collect();
        let matrices = Representation::generated(group, &self.label, &generators)?;
        matrices.check(group)?;
        match matrices
            .character()
            .iter()
            .zip(&self.character)
            .find(|(got, expected)| (*got - *expected).abs() > TOLERANCE)
        {
            None => Ok(matrices),
            Some((&got, _)) => {
                Err(Error::NotAnIrrep { label: self.label.clone(), expected: "the trace its character says", got })
            }
        }
    }

    /// One copy of the irrep among the functions that `range` spans: (d, n), orthonormal rows.
    fn copy(&self, group: &(impl Group + ?Sized), range: Array2<f64>, seed: u64) -> Result<Array2<f64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let inverses = group.inverses();
        for _ in 0..ATTEMPTS {
            let mut draw: Vec<f64> = (0..group.order()).map(|_| uniform(&mut rng)).collect();
            for x in group.elements() {
                draw[inverses[x.index()].index()] = draw[x.index()];
            }
            // (f c)(x) = sum over z of c(x^-1 z) f(z)
            let mut convolution = Array2::zeros((group.order(), group.order()));
            for (&inverse, mut row) in inverses.iter().zip(convolution.rows_mut()) {
                for (z, entry) in group.elements().zip(row.iter_mut()) {
                    *entry = draw[group.compose(inverse, z).index()];
                }
            }
            let small = range.dot(&convolution).dot(&range.t());
            let (values, vectors) = symmetric_eigen(symmetrised(small.view()).view())?;
            // Eigenvalues within a copy are equal, so the copies are the d smallest, the d next, ...
            let clusters = clusters(&values.to_vec());
            let isolation = |i: usize| {
                let before =
                    i.checked_sub(1).map_or(f64::INFINITY, |b| values[clusters[i].start] - values[clusters[b].end - 1]);
                let after =
                    clusters.get(i + 1).map_or(f64::INFINITY, |next| values[next.start] - values[clusters[i].end - 1]);
                before.min(after)
            };
            if clusters.len() == self.multiplicity() && clusters.iter().all(|cluster| cluster.len() == self.dim) {
                let best = (0..clusters.len()).max_by(|&a, &b| isolation(a).total_cmp(&isolation(b))).unwrap_or(0);
                let spread = values.iter().fold(0.0, |largest: f64, v| largest.max(v.abs()));
                if isolation(best) < ISOLATED * spread {
                    continue;
                }
                let columns = clusters[best].clone();
                return Ok(vectors.slice(s![.., columns]).t().dot(&range));
            }
        }
        Err(Error::NotAnIrrep {
            label: self.label.clone(),
            expected: "eigenspaces of the irrep's dimension",
            got: self.dim as f64,
        })
    }
}

/// (M + M^T) / 2
fn symmetrised(matrix: ArrayView2<'_, f64>) -> Array2<f64> {
    0.5 * (&matrix + &matrix.t())
}
