use super::{Irrep, Kind};
use crate::error::{Error, Result};
use crate::group::{Elem, Group, GroupExt};
use crate::linalg::hermitian_eigen;
use crate::memory;
use ndarray::{Array1, Array2, ArrayView1};
use num_complex::Complex;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::cmp::Ordering;
use std::f64::consts::TAU;

/// Random class functions tried before giving up; the first has always done.
const ATTEMPTS: u64 = 8;

/// How far a number that must be whole may be from it.
const WHOLE: f64 = 1e-3;

/// The complex irreducible characters of a finite group.
///
/// Rows are the irreps: the trivial one, then by dimension, then by value (real part, then imaginary, larger first) along
/// the classes. Columns are the conjugacy classes in the order of [`GroupExt::conjugacy_classes`]. The order depends on
/// nothing but the group's own.
///
/// ```
/// use irreplens::{group::Symmetric, irrep::CharacterTable};
/// let table = CharacterTable::new(&Symmetric::new(4)?)?;
/// assert_eq!(table.dims(), [1, 1, 2, 3, 3]);
/// assert_eq!(table.indicators(), [1; 5]);
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CharacterTable {
    classes: Vec<Vec<Elem>>,
    class_of: Vec<usize>,
    dims: Vec<usize>,
    values: Array2<Complex<f64>>,
    indicators: Vec<i8>,
}

impl CharacterTable {
    /// The character table of a group.
    ///
    /// Convolution with a class function f takes class functions to class functions, and the irreducible characters are
    /// the functions on which all such maps are scalar. One random f with `f(x^-1)` the conjugate of `f(x)` is enough, and
    /// makes the map Hermitian, so that its eigenvectors come out orthogonal (Burnside's method, with one random
    /// combination of the class matrices). Each value is a sum of d roots of unity, the eigenvalues of the element; how
    /// often each of them occurs is a whole number, and from these numbers the values are computed anew. What comes out is
    /// therefore exact to rounding and does not depend on f.
    ///
    /// Dixon's variant does the same modulo a prime. It needs no rounding, but k matrices of size k x k rather than one,
    /// and a prime as large as the exponent asks for; with the eigenvalues counted and the orthogonality relations checked
    /// at the end, floating point is as safe and shorter.
    ///
    /// # Errors
    /// [`Error::NoCharacterTable`] if the numbers are not whole or the rows not orthonormal; [`Error::Memory`] over the
    /// budget.
    ///
    /// Cost: n k products and O(k^3) for k classes; milliseconds up to k = 100, seconds for k = 1000.
    ///
    /// Source: Dixon, Numerische Mathematik 10 (1967) 446-450; Holt, Eick, O'Brien, Handbook of Computational Group Theory
    /// (2005), section 7.7.
    pub fn new(group: &(impl Group + ?Sized)) -> Result<Self> {
        let classes = group.conjugacy_classes();
        // Quotients, and some matrices of the size of the table.
        let (n, k) = (group.order(), classes.len());
        let needed = memory::bytes::<u32>(&[k, n]).saturating_add(memory::bytes::<Complex<f64>>(&[8, k, k]));
        memory::check("a character table", needed)?;
        let mut class_of = vec![0; group.order()];
        for (c, class) in classes.iter().enumerate() {
            class.iter().for_each(|x| class_of[x.index()] = c);
        }
        let search = Search::new(group, &classes, &class_of);
        let values = (0..ATTEMPTS).find_map(|seed| search.characters(seed)).ok_or_else(|| Error::NoCharacterTable {
            group: group.name(),
            order: group.order(),
            classes: classes.len(),
        })?;
        let square: Vec<usize> =
            classes.iter().map(|class| class_of[group.compose(class[0], class[0]).index()]).collect();
        let indicator = |row: ArrayView1<'_, Complex<f64>>| {
            let sum: f64 = square.iter().zip(&classes).map(|(&s, class)| class.len() as f64 * row[s].re).sum();
            (sum / group.order() as f64).round() as i8
        };
        let indicators = values.outer_iter().map(indicator).collect();
        let dims = values.column(search.identity).iter().map(|value| value.re.round() as usize).collect();
        Ok(Self { classes, class_of, dims, values, indicators })
    }

    /// The conjugacy classes.
    #[must_use]
    pub fn classes(&self) -> &[Vec<Elem>] {
        &self.classes
    }

    /// The class of every element.
    #[must_use]
    pub fn class_of(&self) -> &[usize] {
        &self.class_of
    }

    /// The table: (irreps, classes).
    #[must_use]
    pub fn values(&self) -> &Array2<Complex<f64>> {
        &self.values
    }

    /// The dimension of every irrep.
    #[must_use]
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Every Frobenius-Schur indicator `(1/n) sum chi(x^2)`: 1, 0 or -1.
    #[must_use]
    pub fn indicators(&self) -> &[i8] {
        &self.indicators
    }

    /// The character of irrep `i` at every element.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn character(&self, i: usize) -> Array1<Complex<f64>> {
        self.class_of.iter().map(|&c| self.values[[i, c]]).collect()
    }

    /// The real irreps, as [`irreps`](super::irreps) gives them.
    #[must_use]
    pub fn real_irreps(&self) -> Vec<Irrep> {
        let mut found = Vec::new();
        for (i, row) in self.values.outer_iter().enumerate() {
            let kind = match self.indicators[i] {
                1 => Kind::Real,
                0 => Kind::Complex,
                _ => Kind::Quaternionic,
            };
            // Of two conjugates the first has the larger imaginary part where they first differ.
            let second = row.iter().map(|value| whole(1e6 * value.im)).find(|&im| im != 0).is_some_and(|im| im < 0);
            if second {
                continue;
            }
            let copies = if kind == Kind::Real { 1 } else { 2 };
            let character = self.class_of.iter().map(|&c| copies as f64 * row[c].re).collect();
            found.push(Irrep { label: String::new(), kind, dim: copies * self.dims[i], character });
        }
        // Stable: within a dimension the order of the rows stays.
        found[1..].sort_by_key(|irrep| irrep.dim);
        super::label(&mut found);
        found
    }
}

/// What every attempt shares.
struct Search<'a> {
    classes: &'a [Vec<Elem>],
    order: usize,
    identity: usize,
    inverse: Vec<usize>,
    /// For each class representative z and element y, in class order, the class of z y^-1: (classes, n).
    quotient: Array2<u32>,
    /// Cyclic subgroups, the largest first, that cover all classes: the classes of g^0, g^1, ...
    powers: Vec<Vec<usize>>,
}

impl<'a> Search<'a> {
    fn new(group: &(impl Group + ?Sized), classes: &'a [Vec<Elem>], class_of: &[usize]) -> Self {
        let inverses = group.inverses();
        let by_class: Vec<Elem> = classes.iter().flatten().map(|y| inverses[y.index()]).collect();
        let quotient = Array2::from_shape_fn((classes.len(), group.order()), |(l, y)| {
            class_of[group.compose(classes[l][0], by_class[y]).index()] as u32
        });
        let identity = group.identity();
        let mut powers: Vec<Vec<usize>> = classes
            .iter()
            .map(|class| {
                let mut powers = vec![class_of[identity.index()]];
                let mut power = class[0];
                while power != identity {
                    powers.push(class_of[power.index()]);
                    power = group.compose(power, class[0]);
                }
                powers
            })
            .collect();
        powers.sort_by_key(|powers| std::cmp::Reverse(powers.len()));
        let mut covered = vec![false; classes.len()];
        powers.retain(|powers| {
            let generator = powers[1 % powers.len()];
            let new = !covered[generator];
            powers.iter().for_each(|&c| covered[c] = true);
            new
        });
        Self {
            order: group.order(),
            identity: class_of[identity.index()],
            inverse: classes.iter().map(|class| class_of[inverses[class[0].index()].index()]).collect(),
            classes,
            quotient,
            powers,
        }
    }

    /// The sorted rows, or `None` if this draw does not tell them apart.
    fn characters(&self, seed: u64) -> Option<Array2<Complex<f64>>> {
        let k = self.classes.len();
        let (_, vectors) = hermitian_eigen(self.convolution(seed).view()).ok()?;
        let size = |c: usize| self.classes[c].len() as f64;
        let mut rows = Vec::with_capacity(k);
        for vector in vectors.columns() {
            // chi(C) sqrt(|C|) up to a factor that makes chi(e) = d, d^2 = n |v_e|^2.
            let dim = vector[self.identity].norm() * (self.order as f64).sqrt();
            if dim < 0.5 || (dim - dim.round()).abs() > WHOLE {
                return None;
            }
            let scale = dim.round() / vector[self.identity];
            let near: Vec<_> = (0..k).map(|c| vector[c] * scale / size(c).sqrt()).collect();
            rows.push(self.exact(dim.round(), &near)?);
        }
        let order = |a: &Vec<Complex<f64>>, b: &Vec<Complex<f64>>| {
            let ones = |row: &[Complex<f64>]| row.iter().all(|value| (value - 1.0).norm() < WHOLE);
            let dim = |row: &[Complex<f64>]| whole(row[self.identity].re);
            let values = |row: &[Complex<f64>]| -> Vec<_> {
                row.iter().flat_map(|value| [whole(1e6 * value.re), whole(1e6 * value.im)]).collect()
            };
            ones(b).cmp(&ones(a)).then(dim(a).cmp(&dim(b))).then_with(|| values(b).cmp(&values(a)))
        };
        rows.sort_by(order);
        let distinct = rows.windows(2).all(|pair| order(&pair[0], &pair[1]) == Ordering::Less);
        let table = Array2::from_shape_fn((k, k), |(i, c)| rows[i][c]);
        (distinct && self.orthonormal(&table)).then_some(table)
    }

    /// Convolution with a random class function, in the basis of indicators of classes over sqrt(|C|): Hermitian.
    fn convolution(&self, seed: u64) -> Array2<Complex<f64>> {
        let k = self.classes.len();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut uniform = || (rng.next_u64() >> 11) as f64 * 2f64.powi(-52) - 1.0;
        let mut f = vec![Complex::new(0.0, 0.0); k];
        for c in 0..k {
            let value = Complex::new(uniform(), uniform());
            match self.inverse[c].cmp(&c) {
                Ordering::Equal => f[c] = value.re.into(),
                Ordering::Greater => (f[c], f[self.inverse[c]]) = (value, value.conj()),
                Ordering::Less => {}
            }
        }
        let mut matrix = Array2::zeros((k, k));
        for (l, quotients) in self.quotient.outer_iter().enumerate() {
            let mut first = 0;
            for (j, class) in self.classes.iter().enumerate() {
                let sum: Complex<f64> = (first..first + class.len()).map(|y| f[quotients[y] as usize]).sum();
                matrix[[l, j]] = sum * (self.classes[l].len() as f64 / class.len() as f64).sqrt();
                first += class.len();
            }
        }
        matrix
    }

    /// The character with these values, nearly: on each cyclic subgroup the multiplicities of the roots of unity are
    /// whole.
    fn exact(&self, dim: f64, near: &[Complex<f64>]) -> Option<Vec<Complex<f64>>> {
        let mut exact = vec![Complex::new(f64::NAN, 0.0); near.len()];
        for powers in &self.powers {
            let order = powers.len();
            let roots: Vec<_> = (0..order).map(|t| root(t, order)).collect();
            let mut multiplicities = Vec::with_capacity(order);
            for exponent in 0..order {
                let sum: Complex<f64> =
                    powers.iter().enumerate().map(|(j, &c)| near[c] * roots[exponent * j % order].conj()).sum();
                let times = (sum.re / order as f64).round();
                if (sum / order as f64 - times).norm() > WHOLE || times < 0.0 {
                    return None;
                }
                multiplicities.push(times);
            }
            if multiplicities.iter().sum::<f64>() != dim {
                return None;
            }
            let real = (1..order).all(|exponent| multiplicities[exponent] == multiplicities[order - exponent]);
            let eigenvalues = || multiplicities.iter().enumerate().filter(|&(_, &times)| times > 0.0);
            for (j, &c) in powers.iter().enumerate() {
                let value: Complex<f64> = eigenvalues().map(|(e, &times)| times * roots[e * j % order]).sum();
                exact[c] = if real { value.re.into() } else { value };
            }
        }
        Some(exact)
    }

    fn orthonormal(&self, table: &Array2<Complex<f64>>) -> bool {
        let weights: Array1<f64> = self.classes.iter().map(|class| class.len() as f64 / self.order as f64).collect();
        let weighted = Array2::from_shape_fn(table.dim(), |(i, c)| table[[i, c]].conj() * weights[c]);
        let products = table.dot(&weighted.t());
        products.indexed_iter().all(|((i, j), value)| (value - f64::from(u8::from(i == j))).norm() < 1e-8)
    }
}

/// e^(2 pi i t / m), exact where it is 1, i, -1 or -i.
fn root(t: usize, m: usize) -> Complex<f64> {
    if (4 * t).is_multiple_of(m) {
        let (re, im) = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)][4 * t / m % 4];
        return Complex::new(re, im);
    }
    Complex::from_polar(1.0, TAU * t as f64 / m as f64)
}

fn whole(value: f64) -> i64 {
    value.round() as i64
}
