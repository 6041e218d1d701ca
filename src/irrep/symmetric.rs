//! Irreps of symmetric groups in Young's orthogonal form.

use super::Representation;
use crate::group::{Elem, Symmetric};
use ndarray::Array2;
use std::collections::HashMap;

/// The irreps of S_n in Young's orthogonal form, labelled by the partitions of n, the largest first: `(n)` is trivial and
/// `(1,...,1)` the sign.
///
/// The rows are the standard tableaux of the partition's shape. The transposition of i and i + 1 takes tableau t to
/// `1/a t + sqrt(1 - 1/a^2) t'`, where a is the content of i + 1 less that of i and t' is t with the two exchanged; the
/// other elements are products of these.
///
/// Cost: n! products of d x d matrices for each partition; S_6 well under a second.
///
/// ```
/// use irreplens::{group::Symmetric, irrep::symmetric};
/// let found = symmetric(&Symmetric::new(4)?);
/// let names: Vec<_> = found.iter().map(|rho| (rho.label.as_str(), rho.dim())).collect();
/// assert_eq!(names, [("(4)", 1), ("(3,1)", 3), ("(2,2)", 2), ("(2,1,1)", 3), ("(1,1,1,1)", 1)]);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: Young, Proceedings of the London Mathematical Society 34 (1932) 196-230; James and Kerber, The Representation
/// Theory of the Symmetric Group (1981), section 3.4.
#[must_use]
pub fn symmetric(group: &Symmetric) -> Vec<Representation<f64>> {
    partitions(group.degree()).iter().map(|shape| young(group, shape)).collect()
}

/// Young's orthogonal form for one shape.
pub(super) fn young(group: &Symmetric, shape: &[usize]) -> Representation<f64> {
    let n = group.degree();
    let tableaux = standard_tableaux(shape);
    let index: HashMap<&[usize], usize> = tableaux.iter().enumerate().map(|(i, t)| (t.as_slice(), i)).collect();
    let transposition = |i: usize| {
        let mut images: Vec<usize> = (0..n).collect();
        images.swap(i, i + 1);
        group.find(&images).expect("a permutation of its points")
    };
    let matrix = |i: usize| {
        let mut matrix = Array2::zeros((tableaux.len(), tableaux.len()));
        for (t, tableau) in tableaux.iter().enumerate() {
            let contents = contents(tableau);
            let distance = 1.0 / (contents[i + 1] - contents[i]) as f64;
            matrix[[t, t]] = distance;
            let mut exchanged = tableau.clone();
            exchanged.swap(i, i + 1);
            // Not another, or not standard, where i and i + 1 are neighbours: then the distance is 1 or -1.
            if let Some(&other) = index.get(exchanged.as_slice()).filter(|&&other| other != t) {
                matrix[[other, t]] = (1.0 - distance * distance).sqrt();
            }
        }
        matrix
    };
    let generators: Vec<(Elem, Array2<f64>)> = (1..n).map(|i| (transposition(i - 1), matrix(i - 1))).collect();
    Representation::generated(group, name(shape), &generators).expect("transpositions generate the group")
}

/// `(3,1)`
pub(super) fn name(shape: &[usize]) -> String {
    let parts: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("({})", parts.join(","))
}

/// The partitions of n in descending lexicographic order.
pub(super) fn partitions(n: usize) -> Vec<Vec<usize>> {
    fn extend(left: usize, largest: usize, start: &[usize], found: &mut Vec<Vec<usize>>) {
        if left == 0 {
            found.push(start.to_vec());
        }
        for part in (1..=left.min(largest)).rev() {
            extend(left - part, part, &[start, &[part]].concat(), found);
        }
    }
    let mut found = Vec::new();
    extend(n, n, &[], &mut found);
    found
}

/// Standard tableaux of a shape, each as the row in which every number stands.
fn standard_tableaux(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut tableaux = vec![Vec::new()];
    for _ in 0..shape.iter().sum() {
        let longer = |tableau: Vec<usize>| {
            let mut filled = vec![0; shape.len()];
            tableau.iter().for_each(|&row| filled[row] += 1);
            let fits = |row: &usize| filled[*row] < shape[*row] && (*row == 0 || filled[row - 1] > filled[*row]);
            let rows: Vec<usize> = (0..shape.len()).filter(fits).collect();
            rows.into_iter().map(move |row| [tableau.as_slice(), &[row]].concat())
        };
        tableaux = tableaux.into_iter().flat_map(longer).collect();
    }
    tableaux
}

/// Column less row of every number.
fn contents(tableau: &[usize]) -> Vec<i64> {
    let mut filled = vec![0; tableau.len()];
    let content = |&row: &usize| {
        filled[row] += 1;
        filled[row] - 1 - row as i64
    };
    tableau.iter().map(content).collect()
}
