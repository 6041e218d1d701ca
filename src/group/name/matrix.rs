//! Groups of matrices over finite fields.

use super::field::{Field, MAX_FIELD, prime_power};
use super::{GroupForm, GroupName, NamedGroup};
use crate::arithmetic::gcd;
use crate::error::{Error, Result};
use crate::group::{Cyclic, Elem, Group, GroupExt, SemidirectProduct};
use ndarray::Array2;

/// A family of groups of n x n matrices over the field of q elements.
///
/// Matrices are in lexicographic order of their entries row by row, and an entry is the number whose digits to the base p are
/// the coefficients of a polynomial modulo the least irreducible one. GL(1, q) is in the order of the powers of the least
/// generator. Classes modulo scalars stand where their first matrices do. Affine groups are semidirect products of the column
/// vectors, as numbers to the base q, with the matrices; ΓL(n, q) is one of GL(n, q) with the powers of x -> x^p.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MatrixFamily {
    /// All invertible matrices.
    GL,
    /// Determinant 1.
    SL,
    /// All modulo scalars.
    PGL,
    /// Determinant 1 modulo scalars.
    PSL,
    /// The matrices that keep a symplectic form, n even: `M^T J M = J` with J the blocks `[[0, I], [-I, 0]]`.
    Sp,
    /// Semilinear maps.
    GammaL,
    /// Affine maps.
    AGL,
    /// Affine maps of determinant 1.
    ASL,
    /// Affine semilinear maps.
    AGammaL,
}

impl MatrixFamily {
    pub(super) const ALL: [(Self, &'static str); 9] = [
        (Self::GL, "GL"),
        (Self::SL, "SL"),
        (Self::PGL, "PGL"),
        (Self::PSL, "PSL"),
        (Self::Sp, "Sp"),
        (Self::GammaL, "GammaL"),
        (Self::AGL, "AGL"),
        (Self::ASL, "ASL"),
        (Self::AGammaL, "AGammaL"),
    ];

    pub(super) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(family, _)| *family == self).map_or("", |(_, word)| word)
    }

    /// The linear part of a family of affine maps.
    fn linear(self) -> Option<Self> {
        match self {
            Self::AGL => Some(Self::GL),
            Self::ASL => Some(Self::SL),
            Self::AGammaL => Some(Self::GammaL),
            _ => None,
        }
    }

    /// The order by its formula; `None` where there is no such group.
    pub(super) fn order(self, n: usize, q: usize) -> Option<usize> {
        let (_, e) = prime_power(q)?;
        let exponent = |k: usize| q.saturating_pow(u32::try_from(k).unwrap_or(u32::MAX));
        let size = exponent(n);
        if let Some(linear) = self.linear() {
            return Some(size.saturating_mul(linear.order(n, q)?));
        }
        if n > 64 {
            return Some(usize::MAX);
        }
        let all = || (0..n).fold(1u128, |product, i| product.saturating_mul((size - exponent(i)) as u128));
        let order = match self {
            Self::GL => all(),
            Self::SL | Self::PGL => all() / (q as u128 - 1),
            Self::PSL => all() / (q as u128 - 1) / gcd(n, q - 1) as u128,
            Self::GammaL => all().saturating_mul(e as u128),
            Self::Sp if n.is_multiple_of(2) => {
                let m = n / 2;
                (1..=m).fold(exponent(m * m) as u128, |product, i| product.saturating_mul(exponent(2 * i) as u128 - 1))
            }
            _ => return None,
        };
        Some(if size == usize::MAX { usize::MAX } else { usize::try_from(order).unwrap_or(usize::MAX) })
    }

    /// The group of a family, whose order is known to be small enough.
    pub(super) fn build(self, name: &GroupName, n: usize, q: usize) -> Result<GroupForm> {
        let field = || {
            let expected = format!("a field, whose order is the power of a prime, up to {MAX_FIELD}");
            Field::new(q).ok_or_else(|| Error::no_group(name, expected, q))
        };
        let field = field()?;
        if self == Self::Sp && !n.is_multiple_of(2) {
            return Err(Error::no_group(name, "an even number of dimensions", n));
        }
        let named = |family: Self| GroupName::Matrix(family, n, q).build();
        if let Some(linear) = self.linear() {
            let (acting, matrices) = (named(linear)?, Matrices { field, n });
            let dimension = n * matrices.field.e;
            let one = GroupName::Cyclic(matrices.field.p);
            let vectors = if dimension == 1 { one } else { GroupName::Power(one.into(), dimension) }.build()?;
            let codes = matrices.codes(linear);
            let images: Vec<Vec<usize>> =
                acting.elements().map(|h| matrices.vectors_under(&codes, &acting, h)).collect();
            return semidirect(vectors, acting, |h, v| images[h][v]);
        }
        if self == Self::GammaL {
            let (normal, matrices) = (named(Self::GL)?, Matrices { field, n });
            let acting = GroupName::Cyclic(matrices.field.e).build()?;
            let codes = matrices.codes(Self::GL);
            let row = |code: usize| codes.binary_search(&code).expect("an invertible matrix");
            return semidirect(normal, acting, |k, x| match n {
                1 => x * matrices.field.p.pow(k as u32) % (q - 1), // x is a logarithm
                _ => row(matrices.map(codes[x], |entry| matrices.field.frobenius(entry, k))),
            });
        }
        if n == 1 && self == Self::GL {
            return Ok(GroupForm::Cyclic(Cyclic::new(q - 1)?));
        }
        let group = MatrixGroup::new(Matrices { field, n }, self);
        name.table(&group)
    }
}

/// The semidirect product by the action that takes row a of N to row `action(h, a)`.
pub(super) fn semidirect(
    normal: NamedGroup,
    acting: NamedGroup,
    action: impl Fn(usize, usize) -> usize,
) -> Result<GroupForm> {
    let action = Array2::from_shape_fn((acting.order(), normal.order()), |(h, a)| action(h, a));
    Ok(GroupForm::Semidirect(SemidirectProduct::new(normal, acting, action)?.into()))
}

/// The n x n matrices over a field, each the number whose digits to the base q are its entries, row by row.
struct Matrices {
    field: Field,
    n: usize,
}

impl Matrices {
    fn entries(&self, mut code: usize) -> Vec<usize> {
        let mut entries = vec![0; self.n * self.n];
        for entry in entries.iter_mut().rev() {
            *entry = code % self.field.q;
            code /= self.field.q;
        }
        entries
    }

    fn code(&self, entries: impl IntoIterator<Item = usize>) -> usize {
        entries.into_iter().fold(0, |code, entry| code * self.field.q + entry)
    }

    fn map(&self, code: usize, entry: impl Fn(usize) -> usize) -> usize {
        self.code(self.entries(code).into_iter().map(entry))
    }

    fn sum(&self, terms: impl Iterator<Item = usize>) -> usize {
        terms.fold(0, |sum, term| self.field.add(sum, term))
    }

    /// The product of matrices of m x n and n x l entries.
    fn product(&self, a: &[usize], b: &[usize]) -> Vec<usize> {
        let n = self.n;
        let (rows, columns) = (a.len() / n, b.len() / n);
        let entry =
            |i: usize, j: usize| self.sum((0..n).map(|k| self.field.multiply(a[i * n + k], b[k * columns + j])));
        (0..rows * columns).map(|at| entry(at / columns, at % columns)).collect()
    }

    fn determinant(&self, mut a: Vec<usize>) -> usize {
        let (n, field) = (self.n, &self.field);
        let mut determinant = 1;
        for column in 0..n {
            let Some(pivot) = (column..n).find(|row| a[row * n + column] != 0) else { return 0 };
            if pivot != column {
                (0..n).for_each(|j| a.swap(pivot * n + j, column * n + j));
                determinant = field.subtract(0, determinant);
            }
            let first = a[column * n + column];
            determinant = field.multiply(determinant, first);
            for row in column + 1..n {
                let factor = field.multiply(a[row * n + column], field.inverse(first));
                for j in column..n {
                    a[row * n + j] = field.subtract(a[row * n + j], field.multiply(factor, a[column * n + j]));
                }
            }
        }
        determinant
    }

    /// Whether `M^T J M = J`.
    fn is_symplectic(&self, entries: &[usize]) -> bool {
        let (n, m) = (self.n, self.n / 2);
        let minus = self.field.subtract(0, 1);
        let form = |i: usize, j: usize| {
            if j == i + m {
                1
            } else if i == j + m {
                minus
            } else {
                0
            }
        };
        let form: Vec<usize> = (0..n * n).map(|at| form(at / n, at % n)).collect();
        let transposed: Vec<usize> = (0..n * n).map(|at| entries[at % n * n + at / n]).collect();
        self.product(&self.product(&transposed, &form), entries) == form
    }

    /// The matrices of a linear family that is not taken modulo anything, in order.
    fn codes(&self, family: MatrixFamily) -> Vec<usize> {
        let all = self.field.q.pow((self.n * self.n) as u32);
        let is_in = |&code: &usize| {
            let entries = self.entries(code);
            match family {
                MatrixFamily::Sp => self.is_symplectic(&entries),
                MatrixFamily::SL | MatrixFamily::PSL => self.determinant(entries) == 1,
                _ => self.determinant(entries) != 0,
            }
        };
        (0..all).filter(is_in).collect()
    }

    /// Where an element of GL, SL or ΓL, whose matrices have these codes, takes the column vectors, each the number of its
    /// entries to the base q.
    fn vectors_under(&self, codes: &[usize], group: &NamedGroup, x: Elem) -> Vec<usize> {
        let (x, power) = match group.form() {
            GroupForm::Semidirect(product) => product.split(x),
            _ => (x, Elem::new(0)),
        };
        let matrix = match self.n {
            1 if codes.len() > 1 => vec![self.field.powers[x.index()]],
            _ => self.entries(codes[x.index()]),
        };
        let image = |vector: usize| {
            let entry = |i: usize| vector / self.field.q.pow((self.n - 1 - i) as u32) % self.field.q;
            let vector: Vec<usize> = (0..self.n).map(|i| self.field.frobenius(entry(i), power.index())).collect();
            self.code(self.product(&matrix, &vector))
        };
        (0..self.field.q.pow(self.n as u32)).map(image).collect()
    }
}

/// The matrices of a family, perhaps modulo scalars.
struct MatrixGroup {
    matrices: Matrices,
    /// The first matrix of each class, in order.
    codes: Vec<usize>,
    /// The class of every matrix.
    rows: Vec<u32>,
}

impl MatrixGroup {
    fn new(matrices: Matrices, family: MatrixFamily) -> Self {
        let (field, n) = (&matrices.field, matrices.n);
        let mut rows = vec![u32::MAX; field.q.pow((n * n) as u32)];
        let scalars: Vec<usize> = match family {
            MatrixFamily::PGL => field.powers.clone(),
            // Scalars of determinant 1.
            MatrixFamily::PSL => {
                (0..).zip(&field.powers).filter(|(k, _)| (k * n).is_multiple_of(field.q - 1)).map(|(_, &s)| s).collect()
            }
            _ => vec![1],
        };
        let mut codes = Vec::new();
        for code in matrices.codes(family) {
            if rows[code] == u32::MAX {
                for &scalar in &scalars {
                    rows[matrices.map(code, |entry| field.multiply(scalar, entry))] = codes.len() as u32;
                }
                codes.push(code);
            }
        }
        Self { matrices, codes, rows }
    }
}

impl Group for MatrixGroup {
    fn order(&self) -> usize {
        self.codes.len()
    }
    fn compose(&self, x: Elem, y: Elem) -> Elem {
        let [x, y] = [x, y].map(|x| self.matrices.entries(self.codes[x.index()]));
        Elem::new(self.rows[self.matrices.code(self.matrices.product(&x, &y))] as usize)
    }
}
