//! Quotients and central products.

use super::{GroupForm, GroupName, Kernel, NamedGroup};
use crate::error::{Error, Result};
use crate::group::subgroup::{self, cosets};
use crate::group::{CayleyTable, Elem, Group, GroupExt, Subgroup};
use ndarray::Array2;

/// The quotient of a group by its centre, or by the least normal subgroup with some elements.
pub(super) fn quotient(name: &GroupName, group: &NamedGroup, kernel: &Kernel) -> Result<GroupForm> {
    let members = match kernel {
        Kernel::Center => group.center(),
        Kernel::Closure(rows) => {
            if let Some(row) = rows.iter().find(|row| **row >= group.order()) {
                return Err(Error::no_group(
                    name,
                    format!("rows of elements below {}", group.order()),
                    format!("#{row}"),
                ));
            }
            let elements = rows.iter().map(|&row| Elem::new(row));
            Subgroup::normal_closure(group, elements, &group.generators()).elements().to_vec()
        }
    };
    name.check_table(group.order() / members.len())?;
    Ok(GroupForm::Table(subgroup::quotient(group, &members).0.into()))
}

/// The central product of two groups, in which the first central elements of the largest common order are one.
pub(super) fn central(name: &GroupName, left: &NamedGroup, right: &NamedGroup) -> Result<GroupForm> {
    let of_center = |group: &NamedGroup| -> Vec<(Elem, usize)> {
        group.center().into_iter().map(|x| (x, group.element_order(x))).collect()
    };
    let (of_left, of_right) = (of_center(left), of_center(right));
    let common = |order: &usize| of_right.iter().any(|(_, other)| other == order);
    let d = of_left.iter().map(|&(_, order)| order).filter(common).max().unwrap_or(1);
    if d == 1 {
        let product = GroupName::Direct(left.group_name().clone().into(), right.group_name().clone().into());
        let got = format!("centres of orders {} and {}: write {product}", of_left.len(), of_right.len());
        return Err(Error::no_group(name, "centres with elements of one order above 1", got));
    }
    let find =
        |of: &[(Elem, usize)]| of.iter().find(|(_, order)| *order == d).map(|&(x, _)| x).expect("one of that order");
    let (z, w) = (find(&of_left), find(&of_right));
    // (t z^k, h) is (t, w^k h), with t the first element of its coset of the powers of z.
    let (first, coset) = cosets(left, &left.subgroup(&[z]), |x, h| left.compose(x, h));
    let n = right.order();
    name.check_table(first.len().saturating_mul(n))?;
    let mut power = vec![left.identity(); left.order()];
    for &t in &first {
        let (mut x, mut of_w) = (t, right.identity());
        for _ in 0..d {
            power[x.index()] = of_w;
            (x, of_w) = (left.compose(x, z), right.compose(of_w, w));
        }
    }
    let row = |t: Elem, h: Elem| Elem::new(coset[t.index()].index() * n + right.compose(power[t.index()], h).index());
    let product = |(x, y): (usize, usize)| {
        row(left.compose(first[x / n], first[y / n]), right.compose(Elem::new(x % n), Elem::new(y % n)))
    };
    let order = first.len() * n;
    let identity = row(left.identity(), right.identity());
    Ok(GroupForm::Table(CayleyTable::trusted(Array2::from_shape_fn((order, order), product), identity).into()))
}
