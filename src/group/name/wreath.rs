//! Wreath products.

use super::matrix::semidirect;
use super::{GroupForm, GroupName, NamedGroup};
use crate::error::Result;
use crate::group::{Composition, Elem, Group, GroupExt};

/// The number of points that the acting group of a wreath product permutes, where its name tells it.
pub(super) fn points(top: &GroupName) -> Option<usize> {
    match top {
        GroupName::Symmetric(n) | GroupName::Alternating(n) => Some(*n),
        GroupName::Dihedral(n) if *n > 2 => Some(*n),
        GroupName::Permutations(generators) => Some(generators[0].len()),
        _ => top.order(),
    }
}

/// The points that each element takes the points to, `(p q)[i] = q[p[i]]`.
fn images(top: &NamedGroup) -> Vec<Vec<usize>> {
    let all = |of: &dyn Fn(Elem) -> Vec<usize>| top.elements().map(of).collect();
    let order = top.order();
    match top.form() {
        GroupForm::Symmetric(group) => all(&|x| group.permutation(x).to_vec()),
        GroupForm::Alternating(group) => all(&|x| group.permutation(x).to_vec()),
        GroupForm::Permutations(group) => all(&|x| {
            let inverted = group.composition() == Composition::ApplyRightFirst;
            group.permutation(if inverted { group.inverse(x) } else { x }).to_vec()
        }),
        GroupForm::Dihedral(_) if order > 4 => {
            let n = order / 2;
            // r takes i to i + 1, s takes i to -i.
            all(&|x| (0..n).map(|i| (i + x.index()) % n).map(|i| if x.index() < n { i } else { (n - i) % n }).collect())
        }
        _ => all(&|x| top.elements().map(|i| top.compose(i, x).index()).collect()),
    }
}

/// The wreath product, as the semidirect product of a power of the base by the top, `p(a)[i] = a[p[i]]`.
pub(super) fn wreath(name: &GroupName, base: NamedGroup, top: NamedGroup) -> Result<GroupForm> {
    let images = images(&top);
    let (m, k) = (base.order(), images[0].len());
    let size = m.saturating_pow(u32::try_from(k).unwrap_or(u32::MAX));
    name.check_order(size.saturating_mul(top.order()))?;
    let copies = match k {
        1 => base,
        _ => GroupName::Power(base.group_name().clone().into(), k).build()?,
    };
    // A tuple is the number of its entries to the base m.
    let entry = |a: usize, i: usize| if m == 1 { 0 } else { a / m.pow((k - 1 - i) as u32) % m };
    semidirect(copies, top, |h, a| (0..k).fold(0, |number, i| number * m + entry(a, images[h][i])))
}
