use super::{Kind, Representation, constituents};
use crate::error::Result;
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
/// [`Error::NotAnIrrep`](crate::Error::NotAnIrrep) for a factor that is none; [`Error::Shape`](crate::Error::Shape) for one
/// of another group.
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
    let mut found = Vec::new();
    for rho in left {
        let kind = rho.irrep(group.left())?.kind;
        for sigma in right {
            let whole = rho.pulled_back(&to_left).tensor(&sigma.pulled_back(&to_right));
            if kind == Kind::Real || sigma.irrep(group.right())?.kind == Kind::Real {
                found.push(whole);
                continue;
            }
            let mut different: Vec<Representation<f64>> = Vec::new();
            for part in constituents(&whole, seed)? {
                let character = part.character();
                let same = |other: &Representation<f64>| {
                    (other.character() - &character).iter().all(|difference| difference.abs() < 1e-6)
                };
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
            found.append(&mut different);
        }
    }
    Ok(found)
}
