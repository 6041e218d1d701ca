//! What tells the character of a real irrep from other functions, and a representation from other matrices.

use super::constituents::uniform;
use super::{Irrep, Kind, Representation};
use crate::error::{Error, Result, check_shape};
use crate::group::{Elem, Group, GroupExt};
use crate::linalg::Field;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// How far from each other numbers of order 1 may be that must be equal.
pub(super) const TOLERANCE: f64 = 1e-6;

const HOMOMORPHISM: &str = "rho(x y) = rho(x) rho(y)";
const REVERSED: &str = "rho(x y) = rho(x) rho(y), and not rho(y) rho(x) as everywhere here (the group composes in the other \
                        order: take the inverse of every image)";
const IDENTITY: &str = "the unit matrix at the identity";
const UNITARY: &str = "orthogonal or unitary matrices";

/// The kind of an irreducible real representation with these numbers.
///
/// The symmetric matrices that commute with a representation by orthogonal matrices form a space of dimension
/// `(<chi, chi> + mean of chi(x^2)) / 2`, the multiplicity of the trivial irrep in the symmetric square. A representation
/// is reducible if and only if a projector other than 1 is among them, so irreducible if and only if that dimension is 1:
/// the numbers are then 1 and 1, 2 and 0, or 4 and -2, and no reducible one has them.
pub(super) fn kind_of(label: &str, norm: f64, squares: f64) -> Result<Kind> {
    let refused = |expected, got| Error::NotAnIrrep { label: label.into(), expected, got };
    let kinds = [
        (Kind::Real, 1.0, "a mean of chi(x^2) of 1 where <chi, chi> is 1"),
        (Kind::Complex, 0.0, "a mean of chi(x^2) of 0 where <chi, chi> is 2"),
        (Kind::Quaternionic, -2.0, "a mean of chi(x^2) of -2 where <chi, chi> is 4"),
    ];
    let near = |&(kind, ..): &(Kind, f64, &str)| (norm - kind.norm() as f64).abs() <= TOLERANCE;
    let (kind, mean, expected) =
        kinds.into_iter().find(near).ok_or_else(|| refused("<chi, chi> of 1, 2 or 4", norm))?;
    if equal(squares, mean) { Ok(kind) } else { Err(refused(expected, squares)) }
}

/// NaN equals nothing.
fn equal(a: f64, b: f64) -> bool {
    (a - b).abs() <= TOLERANCE
}

fn near<T: Field>(a: ArrayView1<'_, T>, b: ArrayView1<'_, T>) -> bool {
    a.iter().zip(b).all(|(&a, &b)| (a - b).abs() <= TOLERANCE)
}

/// A fixed vector without any structure. A matrix that is not 0 takes such a vector to 0 with probability 0 (Freivalds).
fn vector(length: usize) -> Array1<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(0x7665_6374);
    Array1::from_shape_simple_fn(length, || uniform(&mut rng))
}

impl<T: Field + From<f64>> Representation<T> {
    /// Refuses matrices that do not multiply as the group does, or that are not unitary.
    ///
    /// Every element times every generator implies all products. One vector stands for all: n k products of a matrix
    /// with a vector for k generators.
    pub(super) fn check(&self, group: &(impl Group + ?Sized)) -> Result<()> {
        let d = self.dim();
        check_shape("matrices of a representation", &[group.order(), d, d], self.matrices().shape())?;
        let vector = vector(d).mapv(T::from);
        let images = self.applied(vector.view());
        let identity = group.identity();
        if !near(images.row(identity.index()), vector.view()) {
            return Err(self.refused(IDENTITY, &[identity.index()], &(&self.of(identity) - Array2::eye(d))));
        }
        for s in group.generators() {
            let moved = self.applied(images.row(s.index()));
            let apart = |x: &Elem| !near(moved.row(x.index()), images.row(group.compose(*x, s).index()));
            if let Some(x) = group.elements().find(apart) {
                return Err(self.not_a_homomorphism(group, x, s));
            }
        }
        self.check_unitary()
    }

    /// Refuses matrices that are not unitary: `rho(x)^* rho(x) v = v`.
    pub(super) fn check_unitary(&self) -> Result<()> {
        let vector = vector(self.dim()).mapv(T::from);
        for (x, matrix) in self.matrices().outer_iter().enumerate() {
            let there = matrix.dot(&vector).mapv(T::conj);
            if !near(matrix.t().dot(&there).mapv(T::conj).view(), vector.view()) {
                let square = matrix.mapv(T::conj).t().dot(&matrix);
                return Err(self.refused(UNITARY, &[x], &(square - Array2::eye(self.dim()))));
            }
        }
        Ok(())
    }

    /// Every matrix times a vector: (n, d).
    fn applied(&self, vector: ArrayView1<'_, T>) -> Array2<T> {
        let mut images = Array2::zeros((self.order(), self.dim()));
        for (matrix, mut image) in self.matrices().outer_iter().zip(images.rows_mut()) {
            image.assign(&matrix.dot(&vector));
        }
        images
    }

    fn not_a_homomorphism(&self, group: &(impl Group + ?Sized), x: Elem, y: Elem) -> Error {
        let vector = vector(self.dim()).mapv(T::from);
        let images = self.applied(vector.view());
        let reversed = group.generators().into_iter().all(|s| {
            let product = |x: Elem| images.row(group.compose(x, s).index());
            group.elements().all(|x| near(self.of(s).dot(&images.row(x.index())).view(), product(x)))
        });
        let expected = if reversed { REVERSED } else { HOMOMORPHISM };
        let off = self.of(x).dot(&self.of(y)) - self.of(group.compose(x, y));
        self.refused(expected, &[x.index(), y.index()], &off)
    }

    fn refused(&self, expected: &'static str, elements: &[usize], off: &Array2<T>) -> Error {
        let distance = off.iter().map(|v| v.abs().powi(2)).sum::<f64>().sqrt();
        Error::NotARepresentation { label: self.label.clone(), expected, elements: elements.to_vec(), distance }
    }
}

impl Representation<f64> {
    /// `<chi, chi>` and the mean of chi(x^2), which is the trace of rho(x)^2.
    pub(super) fn norm_and_squares(&self) -> (f64, f64) {
        let n = self.order() as f64;
        let norm = self.character().mapv(|value| value * value).sum() / n;
        let squares = self.matrices().outer_iter().map(|matrix| (&matrix * &matrix.t()).sum()).sum::<f64>() / n;
        (norm, squares)
    }
}

/// The products that are looked at for every irrep of a group, as rows.
pub(crate) struct Products {
    identity: usize,
    /// For each element the first of its conjugacy class.
    first: Vec<usize>,
    /// x x, for each x.
    squares: Vec<usize>,
    /// z y^-1 and z y for each y, where z is the first of its class.
    pairs: Vec<[usize; 2]>,
    /// x s for each x, for every generator s.
    translations: Vec<Vec<usize>>,
}

impl Products {
    /// Cost: O(n k) for k generators.
    pub(crate) fn new(group: &(impl Group + ?Sized)) -> Self {
        let inverses = group.inverses();
        let product = |x: Elem, y: Elem| group.compose(x, y).index();
        let (mut first, mut pairs) = (vec![0; group.order()], vec![[0; 2]; group.order()]);
        for class in group.conjugacy_classes() {
            for &y in &class {
                first[y.index()] = class[0].index();
                pairs[y.index()] = [product(class[0], inverses[y.index()]), product(class[0], y)];
            }
        }
        let translation = |s: Elem| group.elements().map(|x| product(x, s)).collect();
        Self {
            identity: group.identity().index(),
            first,
            squares: group.elements().map(|x| product(x, x)).collect(),
            pairs,
            translations: group.generators().into_iter().map(translation).collect(),
        }
    }
}

impl Irrep {
    /// Refuses what is not the character of a real irrep of the group, but for one thing: that
    /// `e = d / (n <chi, chi>) chi` is idempotent under convolution remains to be seen.
    ///
    /// With it the checks are decisive. A central idempotent is a sum of those of distinct complex irreps, so that chi is
    /// `<chi, chi> / d` times the sum of d_i chi_i over some of these, and `d^2 / <chi, chi>` the sum of d_i^2. The trace of
    /// `u -> (e * u + e * u') / 2` on class functions, u'(x) = u(x^-1), counts them: 1 for one whose character is real and
    /// for a conjugate pair. So it is one or such a pair. With `<chi, chi>` 1 or 4 a pair has an irrational d_i, with 2 a
    /// single one; and the mean of chi(x^2) tells chi_i from twice or half of what it should be.
    ///
    /// Cost: O(n).
    pub(super) fn check(&self, products: &Products) -> Result<()> {
        let (n, chi) = (products.first.len(), &self.character);
        check_shape("character of an irrep", &[n], chi.shape())?;
        let scale = n as f64;
        let norm = chi.dot(chi) / scale;
        let squares = products.squares.iter().map(|&x| chi[x]).sum::<f64>() / scale;
        if kind_of(&self.label, norm, squares)? != self.kind {
            return Err(self.refused("1, 2 or 4 for <chi, chi>, as its kind has it", norm));
        }
        let d = chi[products.identity];
        if !equal(d, self.dim as f64) {
            return Err(self.refused("its dimension as the character at the identity", d));
        }
        if self.dim == 0 || !self.dim.is_multiple_of(self.kind.norm()) {
            return Err(self.refused("a positive dimension that <chi, chi> divides", d));
        }
        let mut off = chi.iter().zip(&products.first).map(|(value, &first)| value - chi[first]);
        if let Some(off) = off.find(|&off| !equal(off, 0.0)) {
            return Err(self.refused("one value on every conjugacy class", off));
        }
        let sum: f64 = products.pairs.iter().map(|&[a, b]| chi[a] + chi[b]).sum();
        let count = sum * self.multiplicity() as f64 / (2.0 * scale);
        if equal(count, 1.0) { Ok(()) } else { Err(self.refused("one real irrep", count)) }
    }

    /// Refuses what is not the character of a real irrep of the group.
    ///
    /// Cost: n k products for k conjugacy classes.
    pub(super) fn check_fully(&self, group: &(impl Group + ?Sized)) -> Result<()> {
        let products = Products::new(group);
        self.check(&products)?;
        let (chi, inverses) = (&self.character, group.inverses());
        for z in group.elements().filter(|z| products.first[z.index()] == z.index()) {
            let value = |y: Elem| chi[group.compose(z, inverses[y.index()]).index()] * chi[y.index()];
            let square = group.elements().map(value).sum::<f64>() * self.multiplicity() as f64 / group.order() as f64;
            let off = square - chi[z.index()];
            if !equal(off / self.dim as f64, 0.0) {
                return Err(self.refused("chi * chi = n <chi, chi> / d chi, off by 0", off));
            }
        }
        Ok(())
    }

    /// Refuses a character, [`check`](Irrep::check)ed already, unless translation keeps the span of these functions:
    /// (rank, n), orthonormal combinations of the character's translates.
    ///
    /// Then they span all translates, and their number is the sum of d_i^2 over the complex irreps i with a coefficient
    /// c_i in the character. As it is also `d^2 / <chi, chi>`, which is `(sum c_i d_i)^2 / sum |c_i|^2`, Cauchy and Schwarz
    /// leave only c_i proportional to d_i: the projector is one.
    ///
    /// Cost: O(n rank) for each generator.
    pub(super) fn check_span(&self, products: &Products, range: ArrayView2<'_, f64>) -> Result<()> {
        let function = vector(range.nrows()).dot(&range);
        for rows in &products.translations {
            let moved = function.select(Axis(0), rows);
            let outside = &moved - &range.dot(&moved).dot(&range);
            let share = (outside.dot(&outside) / function.dot(&function)).sqrt();
            if !equal(share, 0.0) {
                return Err(self.refused("a projector whose range translation keeps, up to 0", share));
            }
        }
        Ok(())
    }

    fn refused(&self, expected: &'static str, got: f64) -> Error {
        Error::NotAnIrrep { label: self.label.clone(), expected, got }
    }
}
