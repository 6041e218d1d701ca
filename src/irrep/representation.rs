//! Matrices that multiply as the elements of a group do.

use super::constituents::{ATTEMPTS, average};
use super::criterion::{TOLERANCE, kind_of};
use super::{Irrep, Kind};
use crate::error::{Error, Result, check_shape};
use crate::group::{Elem, Group};
use crate::linalg::{Field, hermitian_eigen};
use ndarray::{Array1, Array2, Array3, ArrayView2, ArrayView3, Axis, linalg::general_mat_mul};
use num_complex::Complex;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// An eigenvalue of an averaged random matrix below this is not told from 0.
const SMALL: f64 = 1e-4;

/// Matrices that multiply as the elements of a group do: `rho(x y) = rho(x) rho(y)`.
///
/// `T` is `f64` for orthogonal matrices, `Complex<f64>` for unitary ones. Any square matrices make one; whatever takes a group
/// too ([`irrep`](Representation::irrep), [`pulled_back`](Representation::pulled_back)) refuses those that do not multiply as
/// it does, and [`laws::irrep::representation`](crate::laws::irrep::representation) holds them to `f64` accuracy.
///
/// ```
/// use irreplens::{group::{Cyclic, GroupExt}, irrep::Representation};
/// use ndarray::array;
/// let group = Cyclic::new(4)?;
/// let turn = array![[0.0, -1.0], [1.0, 0.0]];
/// let rho = Representation::generated(&group, "quarter turns", &[(group.element(1), turn)])?;
/// assert_eq!(rho.character().to_vec(), [2.0, 0.0, -2.0, 0.0]);
/// assert_eq!(rho.irrep(&group)?.kind, irreplens::irrep::Kind::Complex);
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Representation<T> {
    /// What it is called.
    pub label: String,
    matrices: Array3<T>,
}

impl<T: Field> Representation<T> {
    /// The representation by these matrices: (n, d, d), row x the matrix of element x.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the matrices are square and there is one.
    pub fn new(label: impl Into<String>, matrices: Array3<T>) -> Result<Self> {
        let (n, d, _) = matrices.dim();
        check_shape("matrices of a representation", &[n.max(1), d.max(1), d.max(1)], matrices.shape())?;
        Ok(Self { label: label.into(), matrices })
    }

    /// The representation in which generators of the group have these matrices.
    ///
    /// # Arguments
    /// `generators`: elements with their matrices, all (d, d).
    ///
    /// # Errors
    /// [`Error::Shape`] for matrices of different shapes; [`Error::Range`] if the elements do not generate the group.
    ///
    /// Cost: n products of d x d matrices, and k n of elements.
    pub fn generated(
        group: &(impl Group + ?Sized),
        label: impl Into<String>,
        generators: &[(Elem, Array2<T>)],
    ) -> Result<Self> {
        let d = generators.first().map_or(1, |(_, matrix)| matrix.nrows().max(1));
        for (_, matrix) in generators {
            check_shape("matrix of a generator", &[d, d], matrix.shape())?;
        }
        let mut matrices = Array3::zeros((group.order(), d, d));
        let identity = group.identity();
        matrices.index_axis_mut(Axis(0), identity.index()).diag_mut().fill(T::one());
        let mut reached = vec![false; group.order()];
        reached[identity.index()] = true;
        let mut members = vec![identity];
        let mut product = Array2::zeros((d, d));
        for next in 0..group.order() {
            let Some(&x) = members.get(next) else { break };
            for (s, matrix) in generators {
                let y = group.compose(x, *s);
                if !std::mem::replace(&mut reached[y.index()], true) {
                    let from = matrices.index_axis(Axis(0), x.index());
                    general_mat_mul(T::one(), &from, matrix, T::zero(), &mut product);
                    matrices.index_axis_mut(Axis(0), y.index()).assign(&product);
                    members.push(y);
                }
            }
        }
        if members.len() < group.order() {
            let (what, got) = ("elements that the generators reach", members.len() as f64);
            return Err(Error::Range { what, expected: "all of the group's", got });
        }
        Self::new(label, matrices)
    }

    /// Number of elements of the group.
    #[must_use]
    pub fn order(&self) -> usize {
        self.matrices.dim().0
    }

    /// Number of rows of each matrix.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.matrices.dim().1
    }

    /// The matrix of an element: (d, d).
    ///
    /// # Panics
    /// If the group has no such element.
    #[must_use]
    pub fn of(&self, x: Elem) -> ArrayView2<'_, T> {
        self.matrices.index_axis(Axis(0), x.index())
    }

    /// All matrices: (n, d, d).
    #[must_use]
    pub fn matrices(&self) -> ArrayView3<'_, T> {
        self.matrices.view()
    }

    /// The trace of every matrix.
    #[must_use]
    pub fn character(&self) -> Array1<T> {
        self.matrices.outer_iter().map(|matrix| matrix.diag().sum()).collect()
    }

    /// The representation in other coordinates, or on an invariant subspace: `V^* rho(x) V`.
    ///
    /// # Arguments
    /// `columns`: V, (d, e), orthonormal, its columns spanning an invariant subspace.
    ///
    /// # Panics
    /// If `columns` does not have d rows.
    #[must_use]
    pub fn restricted(&self, columns: ArrayView2<'_, T>) -> Self {
        let e = columns.ncols();
        let adjoint = columns.t().mapv(T::conj);
        let mut matrices = Array3::zeros((self.order(), e, e));
        for (from, mut to) in self.matrices.outer_iter().zip(matrices.outer_iter_mut()) {
            to.assign(&adjoint.dot(&from.dot(&columns)));
        }
        Self { label: self.label.clone(), matrices }
    }

    /// The representation under another name.
    #[must_use]
    pub fn labelled(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }
}

impl<T: Field + From<f64>> Representation<T> {
    /// The representation of another group by the matrices of the elements `map`, a homomorphism from that group to this
    /// representation's: a restriction to a subgroup, or a representation of a group in another element order.
    ///
    /// A map that reverses products is refused. Lists of images are such a map between permutation groups with different
    /// rules ([`Composition`](crate::group::Composition)); the inverse of every list is none.
    ///
    /// # Arguments
    /// `group`: the other group. `map`: for each of its elements one of this representation's group.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `map` has one image for every element; [`Error::NotARepresentation`] if the matrices do not
    /// multiply as `group` does, with two elements at which they do not, or are not unitary.
    ///
    /// Cost: n k products of a d x d matrix and a vector, for k generators.
    ///
    /// # Panics
    /// If an element of `map` is none of this representation's group.
    ///
    /// ```
    /// use irreplens::group::{Composition, Elem, Group, GroupExt, PermutationGroup, Symmetric};
    /// use irreplens::irrep::symmetric;
    /// let s3 = Symmetric::new(3)?;
    /// let young = &symmetric(&s3)[1];
    /// let other = PermutationGroup::from_generators(&[vec![1, 2, 0], vec![1, 0, 2]], Composition::ApplyRightFirst, 6)?;
    /// let images: Vec<Elem> = other.elements().filter_map(|x| s3.find(other.permutation(x))).collect();
    /// assert!(young.pulled_back(&other, &images).unwrap_err().to_string().contains("rho(y) rho(x)"));
    /// let inverses: Vec<Elem> = images.iter().map(|&x| s3.inverse(x)).collect();
    /// assert_eq!(young.pulled_back(&other, &inverses)?.dim(), 2);
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn pulled_back(&self, group: &(impl Group + ?Sized), map: &[Elem]) -> Result<Self> {
        let rows: Vec<usize> = map.iter().map(|x| x.index()).collect();
        let pulled = Self { label: self.label.clone(), matrices: self.matrices.select(Axis(0), &rows) };
        pulled.check(group)?;
        Ok(pulled)
    }
}

impl Representation<f64> {
    /// The irrep it is: label, kind, dimension and character.
    ///
    /// # Errors
    /// [`Error::NotARepresentation`] if the matrices do not multiply as the group does or are not orthogonal;
    /// [`Error::NotAnIrrep`] if it is reducible; [`Error::Shape`] for a group of another order.
    ///
    /// Cost: n k products of a d x d matrix and a vector, for k generators.
    pub fn irrep(&self, group: &(impl Group + ?Sized)) -> Result<Irrep> {
        self.check(group)?;
        let (norm, squares) = self.norm_and_squares();
        let kind = kind_of(&self.label, norm, squares)?;
        Ok(Irrep { label: self.label.clone(), kind, dim: self.dim(), character: self.character() })
    }

    /// A complex irrep that this real irrep consists of: itself for the real kind, else half of it.
    ///
    /// For the complex kind there are two, this one and its [`conjugate`](Representation::conjugate); for the quaternionic
    /// kind this one twice. An antisymmetric matrix J that commutes with the irrep and has square -1 is found by averaging
    /// a random one over the group; the half is the eigenspace of `i J` to eigenvalue 1.
    ///
    /// # Errors
    /// The errors of [`irrep`](Representation::irrep).
    ///
    /// Cost: 2 n products of d x d matrices.
    ///
    /// ```
    /// use irreplens::{group::Dicyclic, irrep::irreps};
    /// let group = Dicyclic::new(2)?;
    /// let real = irreps(&group)?[4].matrices(&group, 0)?;
    /// assert_eq!((real.dim(), real.complex(&group, 0)?.dim()), (4, 2));
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn complex(&self, group: &(impl Group + ?Sized), seed: u64) -> Result<Representation<Complex<f64>>> {
        let complex = Representation { label: self.label.clone(), matrices: self.matrices.mapv(Complex::from) };
        if self.irrep(group)?.kind == Kind::Real {
            return Ok(complex);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for _ in 0..ATTEMPTS {
            let average = average(self, &mut rng, |a, b| a - b);
            let (values, vectors) = hermitian_eigen(average.mapv(|v| Complex::new(0.0, v)).view())?;
            // A multiple of J; a small one is mostly rounding.
            let positive: Vec<usize> = (0..self.dim()).filter(|&i| values[i] > SMALL).collect();
            if 2 * positive.len() != self.dim() {
                continue;
            }
            let half = complex.restricted(vectors.select(Axis(1), &positive).view());
            let norm = half.character().iter().map(Complex::norm_sqr).sum::<f64>() / self.order() as f64;
            if (norm - 1.0).abs() <= TOLERANCE {
                // Of two conjugates the one whose character has the larger imaginary part where they first differ.
                let first = half.character().iter().map(|value| value.im).find(|im| im.abs() > 1e-6);
                return Ok(if first.is_some_and(|im| im < 0.0) { half.conjugate() } else { half });
            }
        }
        let expected = "an antisymmetric matrix among those drawn that commutes with it";
        Err(Error::NotAnIrrep { label: self.label.clone(), expected, got: 0.0 })
    }

    /// The tensor product with a representation of the same group: `rho(x) (x) sigma(x)`, of dimension d e.
    ///
    /// # Panics
    /// If the groups' orders differ.
    #[must_use]
    pub fn tensor(&self, other: &Self) -> Self {
        assert_eq!(self.order(), other.order(), "orders of the groups of a tensor product");
        let (d, e) = (self.dim(), other.dim());
        let matrices = Array3::from_shape_fn((self.order(), d * e, d * e), |(x, i, j)| {
            self.matrices[[x, i / e, j / e]] * other.matrices[[x, i % e, j % e]]
        });
        Self { label: format!("{} x {}", self.label, other.label), matrices }
    }
}

impl Representation<Complex<f64>> {
    /// The representation by the conjugate matrices.
    #[must_use]
    pub fn conjugate(&self) -> Self {
        Self { label: self.label.clone(), matrices: self.matrices.mapv(|value| value.conj()) }
    }
}
