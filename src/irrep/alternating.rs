//! The irreps of alternating groups.

use super::symmetric::{name, partitions, young};
use super::{Representation, constituents};
use crate::error::Result;
use crate::group::{Alternating, Elem, GroupExt, Symmetric};

/// The real irreps of A_n: those of S_n in Young's orthogonal form, restricted, one for each partition and its conjugate,
/// under the label of the larger.
///
/// A partition that is its own conjugate falls into two irreps with complex matrices. Where their characters are real the
/// restriction is split, and the label gets a `+` or a `-`; where they are not, the two together are one real irrep, of the
/// complex kind, which the restriction is.
///
/// # Arguments
/// `seed`: of the draw that splits ([`constituents`]).
///
/// # Errors
/// The errors of [`constituents`].
///
/// ```
/// use irreplens::{group::Alternating, irrep::alternating};
/// let found = alternating(&Alternating::new(5)?, 0)?;
/// let names: Vec<_> = found.iter().map(|rho| (rho.label.as_str(), rho.dim())).collect();
/// assert_eq!(names, [("(5)", 1), ("(4,1)", 4), ("(3,2)", 5), ("(3,1,1)+", 3), ("(3,1,1)-", 3)]);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: James and Kerber, The Representation Theory of the Symmetric Group (1981), section 2.5.
pub fn alternating(group: &Alternating, seed: u64) -> Result<Vec<Representation<f64>>> {
    let all = Symmetric::new(group.degree())?;
    let embedding: Vec<Elem> = group.elements().filter_map(|x| all.find(group.permutation(x))).collect();
    let mut found = Vec::new();
    for shape in partitions(group.degree()) {
        let conjugate = conjugate(&shape);
        if shape < conjugate {
            continue;
        }
        let restricted = young(&all, &shape).pulled_back(group, &embedding)?;
        if shape != conjugate || restricted.dim() == 1 {
            found.push(restricted);
            continue;
        }
        let mut parts = constituents(&restricted, seed)?;
        if parts.len() == 2 {
            // `+` has the larger character where they first differ.
            let sign = |rho: &Representation<f64>| {
                let differences = rho.character() * 2.0 - restricted.character();
                differences.into_iter().find(|v| v.abs() > 1e-6).unwrap_or(0.0)
            };
            parts.sort_by(|a, b| sign(b).total_cmp(&sign(a)));
            let signs = ["+", "-"].into_iter();
            found.extend(parts.into_iter().zip(signs).map(|(rho, sign)| rho.labelled(name(&shape) + sign)));
        } else {
            found.append(&mut parts);
        }
    }
    Ok(found)
}

/// The partition whose rows are the columns of this one.
fn conjugate(shape: &[usize]) -> Vec<usize> {
    (0..shape[0]).map(|column| shape.iter().take_while(|&&part| part > column).count()).collect()
}
