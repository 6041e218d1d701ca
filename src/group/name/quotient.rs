//! Quotients and central products.

use super::{GroupForm, GroupName, Kernel, NamedGroup};
use crate::error::{Error, Result};
use crate::group::{Elem, Group, GroupExt};

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
            normal_closure(group, rows.iter().map(|&row| Elem::new(row)).collect())
        }
    };
    let (first, coset) = cosets(group, &members);
    name.table(&Quotient { order: first.len(), product: |x, y| coset[group.compose(first[x], first[y]).index()] })
}

/// The least normal subgroup with these elements.
fn normal_closure(group: &NamedGroup, mut generators: Vec<Elem>) -> Vec<Elem> {
    let by = group.generators();
    loop {
        let members = group.subgroup(&generators);
        let mut conjugates = generators.iter().flat_map(|&x| by.iter().map(move |&g| group.conjugate(x, g)));
        match conjugates.find(|x| members.binary_search(x).is_err()) {
            None => return members,
            Some(outside) => generators.push(outside),
        }
    }
}

/// The first elements of the left cosets of a subgroup, and the coset of each element.
fn cosets(group: &NamedGroup, members: &[Elem]) -> (Vec<Elem>, Vec<usize>) {
    let mut first = Vec::new();
    let mut coset = vec![usize::MAX; group.order()];
    for x in group.elements() {
        if coset[x.index()] == usize::MAX {
            for &member in members {
                coset[group.compose(x, member).index()] = first.len();
            }
            first.push(x);
        }
    }
    (first, coset)
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
    let (first, coset) = cosets(left, &left.subgroup(&[z]));
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
    let product = |x: usize, y: usize| {
        let t = left.compose(first[x / n], first[y / n]).index();
        let h = right.compose(Elem::new(x % n), Elem::new(y % n));
        coset[t] * n + right.compose(power[t], h).index()
    };
    name.table(&Quotient { order: first.len() * n, product })
}

/// A group by its product of rows.
struct Quotient<F> {
    order: usize,
    product: F,
}

impl<F: Fn(usize, usize) -> usize + Send + Sync> Group for Quotient<F> {
    fn order(&self) -> usize {
        self.order
    }
    fn compose(&self, x: Elem, y: Elem) -> Elem {
        Elem::new((self.product)(x.index(), y.index()))
    }
}
