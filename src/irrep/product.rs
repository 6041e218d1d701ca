//! The irreps of direct products.

use super::{Kind, Representation, constituents};
use crate::error::{Error, Result};
use crate::group::{DirectProduct, Elem, Group, GroupExt};

/// The real irreps of a direct product, from all real irreps of its factors: tensor products, split where neither factor is
/// of the real kind.
///
/// Labels are those of the factors with `x` between them; a product that splits into two irreps that differ gives the same
/// label with `+` and `-`.
///
/// # Arguments
/// `seed`: of the draw that splits ([`constituents`]).
///
/// # Errors
/// [`Error::NotARepresentation`] and [`Error::NotAnIrrep`] for a factor that is none; [`Error::Shape`] for one of another
/// group.
///
/// ```
/// use irreplens::{group::{Cyclic, DirectProduct}, irrep::{cyclic, product}};
/// let c3 = Cyclic::new(3)?;
/// let found = product(&DirectProduct::new(c3, c3)?, &cyclic(&c3), &cyclic(&c3), 0)?;
/// assert_eq!(found.iter().map(|rho| rho.dim()).collect::<Vec<_>>(), [1, 2, 2, 2, 2]);
/// # Ok::<(), irreplens::Error>(())
/// ```
///
/// Source: Serre, Linear Representations of Finite Groups (1977), section 3.2.
pub fn product<G: Group, H: Group>(
    group: &DirectProduct<G, H>,
    left: &[Representation<f64>],
    right: &[Representation<f64>],
    seed: u64,
) -> Result<Vec<Representation<f64>>> {
    let (to_left, to_right): (Vec<Elem>, Vec<Elem>) = group.elements().map(|x| group.split(x)).unzip();
    let mut others = Vec::with_capacity(right.len());
    for sigma in right {
        others.push((sigma.irrep(group.right())?, sigma.pulled_back(group, &to_right)?));
    }
    let mut found = Vec::new();
    for rho in left {
        let (first, rho) = (rho.irrep(group.left())?, rho.pulled_back(group, &to_left)?);
        for (second, sigma) in &others {
            let whole = rho.tensor(sigma);
            if first.kind == Kind::Real || second.kind == Kind::Real {
                found.push(whole);
                continue;
            }
            let mut different: Vec<Representation<f64>> = Vec::new();
            for part in constituents(&whole, seed)? {
                let character = part.character();
                // Characters of irreps that differ are orthogonal.
                let same = |other: &Representation<f64>| character.dot(&other.character()) > 0.5 * group.order() as f64;
                if !different.iter().any(same) {
                    different.push(part);
                }
            }
            if let [plus, minus] = &mut different[..] {
                let difference = plus.character() - minus.character();
                if difference.into_iter().find(|v| v.abs() > 1e-6).is_some_and(|v| v < 0.0) {
                    std::mem::swap(plus, minus);
                }
                plus.label.push('+');
                minus.label.push('-');
            }
            let mut ranks = 0;
            for part in &different {
                ranks += part.irrep(group)?.rank();
            }
            if ranks != first.rank() * second.rank() {
                let expected = "parts whose ranks add up to the product of the factors' ranks";
                return Err(Error::NotAnIrrep { label: whole.label, expected, got: ranks as f64 });
            }
            found.append(&mut different);
        }
    }
    Ok(found)
}
