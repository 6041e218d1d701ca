//! The laws of representations: what every [`Representation`] and every full set of irreps must satisfy.
//!
//! The laws hold the closed forms, Young's orthogonal form and the numeric route to the same standard, and irreps typed in by
//! hand too. A homomorphism is tried on every element times every generator, which implies all products.

use super::{DOUBLE_TOLERANCE, Violation, answer};
use crate::group::{Group, GroupExt};
use crate::irrep::{CharacterTable, Irrep, Kind, Representation};
use crate::linalg::Field;
use ndarray::{Array1, Array2};
use num_complex::Complex;

/// All laws on the irreps the library finds for a group: [`character_table`], [`irreps`], and for the matrices of every
/// irrep, real and complex, [`representation`], [`real_form`] and [`matrix_coefficients`].
///
/// ```
/// irreplens::laws::irrep::check(&irreplens::group::Dihedral::new(6)?, 0)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The first violation found.
pub fn check(group: &(impl Group + ?Sized), seed: u64) -> Result<(), Violation> {
    let table = answer("character table", group.name(), CharacterTable::new(group))?;
    character_table(group, &table)?;
    let found = table.real_irreps();
    irreps(group, &found)?;
    let real = |irrep: &Irrep| answer("matrices", &irrep.label, irrep.matrices(group, seed));
    let matrices = found.iter().map(real).collect::<Result<Vec<_>, _>>()?;
    let complex = check_matrices(group, &matrices, seed)?;
    for (irrep, rho) in found.iter().zip(&matrices) {
        real_form(irrep, rho)?;
    }
    // The complex irreps are those of the table.
    for rho in &complex {
        let character = rho.character();
        let row = |&i: &usize| table.character(i).iter().zip(&character).all(|(a, b)| (a - b).norm() < 1e-6);
        let count = (0..table.dims().len()).filter(row).count();
        Violation::unless_equal("complex irreps are rows of the character table", &rho.label, count, 1)?;
    }
    Ok(())
}

/// The laws of a full set of real irreps given by matrices, one of each: [`representation`] for each, [`irreps`] for their
/// characters, and [`matrix_coefficients`] for the complex irreps they consist of, which are returned.
///
/// # Errors
/// The first violation found.
pub fn check_matrices(
    group: &(impl Group + ?Sized),
    matrices: &[Representation<f64>],
    seed: u64,
) -> Result<Vec<Representation<Complex<f64>>>, Violation> {
    let (mut complex, mut found) = (Vec::new(), Vec::new());
    for real in matrices {
        representation(group, real)?;
        let irrep = answer("irreducibility", &real.label, real.irrep(group))?;
        let half = answer("complex form", &real.label, real.complex(group, seed))?;
        representation(group, &half)?;
        if irrep.kind == Kind::Complex {
            complex.push(half.conjugate());
        }
        complex.push(half);
        found.push(irrep);
    }
    irreps(group, &found)?;
    matrix_coefficients(group, &complex)?;
    Ok(complex)
}

/// Rows and columns of a character table are orthogonal, `<chi_i, chi_j> = delta_ij` and
/// `sum over i of chi_i(C) conj chi_i(D) = delta_CD n / |C|`; squares of dimensions add up to n; the first row is trivial;
/// indicators are 1, 0 or -1, and `sum nu_i d_i` is the number of square roots of the identity.
///
/// # Errors
/// The first violation found, with rows or classes as the witness.
pub fn character_table(group: &(impl Group + ?Sized), table: &CharacterTable) -> Result<(), Violation> {
    let (n, k) = (group.order() as f64, table.classes().len());
    Violation::unless_equal("one character for every class", "shape", table.values().dim(), (k, k))?;
    let sizes: Array1<f64> = table.classes().iter().map(|class| class.len() as f64).collect();
    let values = table.values();
    let weighted = Array2::from_shape_fn((k, k), |(i, c)| values[[i, c]] * (sizes[c] / n).sqrt());
    let conjugate = weighted.mapv(|value| value.conj());
    identity_matrix("orthogonality of rows", &weighted.dot(&conjugate.t()))?;
    identity_matrix("orthogonality of columns", &weighted.t().dot(&conjugate))?;
    let squares: usize = table.dims().iter().map(|d| d * d).sum();
    Violation::unless_equal("sum of squared dimensions", "dims", squares, group.order())?;
    for (c, value) in values.row(0).iter().enumerate() {
        Violation::unless_close("first character is trivial", c, (value - 1.0).norm(), 0.0, DOUBLE_TOLERANCE)?;
    }
    let indicators = table.indicators();
    for (i, &indicator) in indicators.iter().enumerate() {
        Violation::unless_equal("indicator is 1, 0 or -1", i, indicator.clamp(-1, 1), indicator)?;
    }
    let identity = group.identity();
    let roots = group.elements().filter(|&x| group.compose(x, x) == identity).count() as i64;
    let sum: i64 = indicators.iter().zip(table.dims()).map(|(&nu, &d)| i64::from(nu) * d as i64).sum();
    Violation::unless_equal("square roots of the identity", "sum of indicators times dimensions", sum, roots)
}

/// Real irreps: the character at the identity is the dimension; the kind is that of `(1/n) sum chi(x^2)`, 1, 0 or -2; the
/// character is that of a real irrep in the character table; `<chi_i, chi_j> = delta_ij` times 1, 2 or 4 by kind; ranks add
/// up to n.
///
/// ```
/// use irreplens::{group::Cyclic, irrep::{Irrep, Kind}, laws};
/// // Norm 1, mean of chi(x^2) 1, a projector of rank 4: and yet no character of C_4, but half of that of all functions.
/// let half = Irrep { label: "half".into(), kind: Kind::Real, dim: 2, character: ndarray::arr1(&[2.0, 0.0, 0.0, 0.0]) };
/// let violation = laws::irrep::irreps(&Cyclic::new(4)?, &[half]).unwrap_err();
/// assert_eq!(violation.law, "character of a real irrep");
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// # Errors
/// The first violation found, with labels as the witness.
pub fn irreps(group: &(impl Group + ?Sized), irreps: &[Irrep]) -> Result<(), Violation> {
    let n = group.order();
    let known = answer("character table", group.name(), CharacterTable::new(group))?.real_irreps();
    for irrep in irreps {
        Violation::unless_equal("a character has a value for every element", &irrep.label, irrep.character.len(), n)?;
        let (law, value) = ("character at the identity is the dimension", irrep.character[group.identity().index()]);
        Violation::unless_close(law, &irrep.label, value, irrep.dim as f64, DOUBLE_TOLERANCE)?;
        let squares = group.elements().map(|x| irrep.character[group.compose(x, x).index()]).sum::<f64>() / n as f64;
        let copies = if irrep.kind == Kind::Quaternionic { 2.0 } else { 1.0 };
        let expected = copies * f64::from(irrep.kind.indicator());
        Violation::unless_close("kind is that of the indicator", &irrep.label, squares, expected, DOUBLE_TOLERANCE)?;
        let same = |other: &&Irrep| {
            other.kind == irrep.kind && other.character.iter().zip(&irrep.character).all(|(a, b)| (a - b).abs() < 1e-6)
        };
        let count = known.iter().filter(same).count();
        Violation::unless_equal("character of a real irrep", &irrep.label, count, 1)?;
    }
    for (i, a) in irreps.iter().enumerate() {
        for b in &irreps[i..] {
            let product = a.character.dot(&b.character) / n as f64;
            let expected = if std::ptr::eq(a, b) { a.kind.norm() as f64 } else { 0.0 };
            let (law, witness) = ("orthogonality of characters", [&a.label, &b.label]);
            Violation::unless_close(law, witness, product, expected, DOUBLE_TOLERANCE * n as f64)?;
        }
    }
    Violation::unless_equal("ranks add up to the order", "ranks", irreps.iter().map(Irrep::rank).sum(), n)
}

/// `rho(x s) = rho(x) rho(s)` for every element x and generator s, `rho(x) rho(x)^* = 1`, and `<chi, chi>` is 1 (or, for
/// real matrices, 2 or 4 by the kind that its squares give).
///
/// ```
/// use irreplens::{group::Cyclic, irrep::Representation, laws};
/// let group = Cyclic::new(3)?;
/// let wrong = Representation::new("not a character", ndarray::arr3(&[[[1.0]], [[-1.0]], [[1.0]]]))?;
/// let violation = laws::irrep::representation(&group, &wrong).unwrap_err();
/// assert_eq!(violation.law, "homomorphism");
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// # Errors
/// `homomorphism`, `unitarity` or `irreducibility`, with the label and elements as the witness.
pub fn representation<T: Field>(group: &(impl Group + ?Sized), rho: &Representation<T>) -> Result<(), Violation> {
    let label = &rho.label;
    Violation::unless_equal("a matrix for every element", label, rho.order(), group.order())?;
    let unit = Array2::<T>::eye(rho.dim());
    let distance = |a: &Array2<T>, b: &Array2<T>| {
        a.iter()
            .zip(b)
            .map(|(&a, &b)| (a - b).abs())
            .fold(0.0, |largest: f64, off| if off > largest || off.is_nan() { off } else { largest })
    };
    let generators = group.generators();
    for x in group.elements() {
        let matrix = rho.of(x);
        for &s in &generators {
            let off = distance(&matrix.dot(&rho.of(s)), &rho.of(group.compose(x, s)).to_owned());
            Violation::unless_close("homomorphism", (label, x, s), off, 0.0, DOUBLE_TOLERANCE)?;
        }
        let off = distance(&matrix.dot(&matrix.t().mapv(T::conj)), &unit);
        Violation::unless_close("unitarity", (label, x), off, 0.0, DOUBLE_TOLERANCE)?;
    }
    // The group of one element has no generators.
    let off = distance(&rho.of(group.identity()).to_owned(), &unit);
    Violation::unless_close("homomorphism", (label, "identity"), off, 0.0, DOUBLE_TOLERANCE)?;
    let character = rho.character();
    let norm = character.iter().map(|value| value.abs().powi(2)).sum::<f64>() / group.order() as f64;
    let squares: f64 = group.elements().map(|x| character[group.compose(x, x).index()].re()).sum();
    let expected = match (squares / group.order() as f64).round() as i64 {
        0 if T::REAL => 2.0,
        -2 if T::REAL => 4.0,
        _ => 1.0,
    };
    Violation::unless_close("irreducibility", label, norm, expected, DOUBLE_TOLERANCE * group.order() as f64)
}

/// The matrices are those of the irrep: real, of its dimension, with its character.
///
/// # Errors
/// `real form`, with the label and an element as the witness.
pub fn real_form(irrep: &Irrep, rho: &Representation<f64>) -> Result<(), Violation> {
    Violation::unless_equal("real form", &irrep.label, rho.dim(), irrep.dim)?;
    for (x, (&got, &expected)) in rho.character().iter().zip(&irrep.character).enumerate() {
        Violation::unless_close("real form", (&irrep.label, x), got, expected, DOUBLE_TOLERANCE)?;
    }
    Ok(())
}

/// Schur orthogonality of a full set of complex irreps: `sqrt(d/n) rho_ij(x)` over all irreps and entries is a unitary
/// n x n matrix, which holds the sum of squared dimensions too.
///
/// # Errors
/// `sum of squared dimensions`, or `orthogonality of matrix coefficients` with two rows as the witness.
pub fn matrix_coefficients(
    group: &(impl Group + ?Sized),
    complex: &[Representation<Complex<f64>>],
) -> Result<(), Violation> {
    let n = group.order();
    let squares: usize = complex.iter().map(|rho| rho.dim() * rho.dim()).sum();
    Violation::unless_equal("sum of squared dimensions", "dims", squares, n)?;
    let mut rows = Array2::zeros((n, n));
    let mut first = 0;
    for rho in complex {
        let (d, scale) = (rho.dim(), (rho.dim() as f64 / n as f64).sqrt());
        for (x, matrix) in rho.matrices().outer_iter().enumerate() {
            for (entry, &value) in matrix.iter().enumerate() {
                rows[[first + entry, x]] = value * scale;
            }
        }
        first += d * d;
    }
    let conjugate = rows.mapv(|value: Complex<f64>| value.conj());
    identity_matrix("orthogonality of matrix coefficients", &rows.dot(&conjugate.t()))
}

fn identity_matrix(law: &'static str, products: &Array2<Complex<f64>>) -> Result<(), Violation> {
    for ((i, j), value) in products.indexed_iter() {
        let expected = f64::from(u8::from(i == j));
        Violation::unless_close(law, [i, j], (value - expected).norm(), 0.0, DOUBLE_TOLERANCE)?;
    }
    Ok(())
}
