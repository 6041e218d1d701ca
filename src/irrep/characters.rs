//! The complex irreducible characters of any finite group.

use super::search::Search;
use super::{Irrep, Kind};
use crate::error::{Error, Result};
use crate::group::{Elem, Group, GroupExt};
use crate::memory;
use ndarray::{Array1, Array2, ArrayView1};
use num_complex::Complex;

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
    /// 1. Linear characters are the homomorphisms to the roots of unity: written down in whole numbers, and checked in them.
    /// 2. Where many are missing, linear characters of the centralisers of elements with small classes are induced; what has
    ///    norm 1 is irreducible. On groups with a large abelian subgroup, such as dihedral ones, these are all.
    /// 3. The rest by Burnside's method. Convolution with a class function f takes class functions to class functions, and
    ///    the irreducible characters are the functions on which all such maps are scalar. One random f with `f(x^-1)` the
    ///    conjugate of `f(x)` is enough. It keeps the functions that are such themselves, as all characters are; on these, a
    ///    real space, it is a real symmetric matrix, whose eigenvectors come out orthogonal.
    ///
    /// Each value is a sum of d roots of unity, the eigenvalues of the element; how often each of them occurs is a whole
    /// number, found by an FFT over the element's powers, and from these numbers the values are computed anew. What comes out
    /// is therefore exact to rounding and does not depend on f. The orthogonality relations of all but linear characters are
    /// checked at the end.
    ///
    /// Dixon's variant does the same modulo a prime. It needs no rounding, but k matrices of size k x k rather than one,
    /// and a prime as large as the exponent asks for; with the eigenvalues counted and the orthogonality relations checked
    /// at the end, floating point is as safe and shorter.
    ///
    /// # Errors
    /// [`Error::NoCharacterTable`] if the numbers are not whole or the rows not orthonormal; [`Error::Memory`] over the
    /// budget.
    ///
    /// Cost: O(k^2) for k classes where all characters are linear; else O(k^2) for each that is not, in matrix products,
    /// and, for the last r, which steps 1 and 2 do not find, n k products and O(r^3).
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
        let (order, count) = (group.order(), classes.len());
        let failed = || Error::NoCharacterTable { group: group.name(), order, classes: count };
        let values = search.characters().ok_or_else(failed)?;
        let square: Vec<usize> =
            classes.iter().map(|class| class_of[group.compose(class[0], class[0]).index()]).collect();
        let indicator = |row: ArrayView1<'_, Complex<f64>>| {
            let sum: f64 = square.iter().zip(&classes).map(|(&s, class)| class.len() as f64 * row[s].re).sum();
            (sum / group.order() as f64).round() as i8
        };
        let indicators = values.outer_iter().map(indicator).collect();
        let dims =
            values.column(class_of[group.identity().index()]).iter().map(|value| value.re.round() as usize).collect();
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

fn whole(value: f64) -> i64 {
    value.round() as i64
}
