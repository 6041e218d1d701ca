//! What follows from the product of any group: orders, inverses, classes, centre, generators, table.

use super::closure::Closure;
use super::{CayleyTable, Elem, Fingerprint, Group};
use crate::arithmetic::gcd;
use ndarray::Array2;
use std::convert::Infallible;
use std::iter::Map;
use std::ops::Range;

/// The elements of a group in row order: what [`GroupExt::elements`] returns.
pub type Elements = Map<Range<usize>, fn(usize) -> Elem>;

/// Everything that follows from [`Group`], once for all groups: a blanket implementation that no group can override,
/// usable on `&dyn Group` too.
///
/// All of it relies on the group laws; try a new group with
/// [`laws::group::check`](crate::laws::group::check) first. Below, n is the order and k <= log2 n the number of
/// [`generators`](GroupExt::generators); costs count products. At order 5040 each takes well under a second.
///
/// ```
/// use irreplens::group::{Dihedral, Group, GroupExt};
/// let square: &dyn Group = &Dihedral::new(4)?;
/// assert_eq!(square.element_orders(), [1, 4, 2, 4, 2, 2, 2, 2]);
/// assert_eq!(square.conjugacy_classes().len(), 5);
/// # Ok::<(), irreplens::Error>(())
/// ```
pub trait GroupExt: Group {
    /// The elements in row order: `#0, #1, ..., #(n - 1)`.
    fn elements(&self) -> Elements {
        (0..self.order()).map(Elem::new as fn(usize) -> Elem)
    }

    /// The element at row `index`.
    ///
    /// # Panics
    /// If `index >= order`.
    fn element(&self, index: usize) -> Elem {
        let order = self.order();
        assert!(index < order, "element index {index} must be below the order {order}");
        Elem::new(index)
    }

    /// What tells its multiplication table from others: what belongs to this group has the same.
    ///
    /// Costs O(n k).
    ///
    /// # Panics
    /// If a product is not below the order.
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_product(self.order(), |x, y| self.compose(x, y))
    }

    /// `x^-1 y`, the solution z of `x z = y`.
    ///
    /// Costs one inverse and one product.
    fn left_divide(&self, x: Elem, y: Elem) -> Elem {
        self.compose(self.inverse(x), y)
    }

    /// `x y^-1`, the solution z of `z y = x`.
    ///
    /// Costs one inverse and one product.
    fn right_divide(&self, x: Elem, y: Elem) -> Elem {
        self.compose(x, self.inverse(y))
    }

    /// `x` conjugated by `g`: `g x g^-1`.
    ///
    /// Costs one inverse and two products.
    fn conjugate(&self, x: Elem, g: Elem) -> Elem {
        self.right_divide(self.compose(g, x), g)
    }

    /// `x^exponent`; negative exponents are powers of the inverse.
    ///
    /// Costs O(log n): the exponent is first reduced modulo n, since `x^n = e`.
    ///
    /// ```
    /// use irreplens::group::{Cyclic, GroupExt};
    /// let c7 = Cyclic::new(7)?;
    /// assert_eq!(c7.power(c7.element(3), -2), c7.element(1));
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    fn power(&self, x: Elem, exponent: i64) -> Elem {
        let mut remaining = exponent.rem_euclid(self.order() as i64);
        let (mut result, mut square) = (self.identity(), x);
        while remaining > 0 {
            if remaining & 1 == 1 {
                result = self.compose(result, square);
            }
            square = self.compose(square, square);
            remaining >>= 1;
        }
        result
    }

    /// The whole multiplication table, `table[x, y] = x y`.
    ///
    /// Costs O(n k) products and n^2 look-ups: `x (y s) = (x y) s` gives each column from an earlier one. Takes 4 n^2
    /// bytes (100 MB at order 5040). Worth having when products are dear and all pairs are wanted.
    fn cayley_table(&self) -> CayleyTable {
        let generated = generate(self);
        let right: Vec<Vec<Elem>> =
            (generated.generators.iter()).map(|&s| self.elements().map(|x| self.compose(x, s)).collect()).collect();
        let identity = self.identity();
        let mut table = Array2::from_elem((self.order(), self.order()), identity);
        for (x, mut row) in self.elements().zip(table.rows_mut()) {
            row[identity.index()] = x;
            for step in &generated.steps {
                row[step.to.index()] = right[step.generator][row[step.from.index()].index()];
            }
        }
        CayleyTable::trusted(table, identity).with_name(self.name())
    }

    /// The inverse of every element, by row.
    ///
    /// Costs O(n log log n), whatever [`Group::inverse`] costs: among the powers `x, x^2, ..., x^m = e`, the inverse
    /// of `x^i` is `x^(m-i)`.
    fn inverses(&self) -> Vec<Elem> {
        let identity = self.identity();
        let mut inverses = vec![identity; self.order()];
        let mut known = vec![false; self.order()];
        for x in self.elements() {
            if !known[x.index()] {
                let powers = powers(self, identity, x);
                // x, x^2, ..., x^(m-1), e against x^(m-1), ..., x^2, x, e.
                let reversed = powers.iter().rev().skip(1).chain([&identity]);
                for (power, &inverse) in powers.iter().zip(reversed) {
                    inverses[power.index()] = inverse;
                    known[power.index()] = true;
                }
            }
        }
        inverses
    }

    /// The order of `x`: the least m >= 1 with `x^m = e`.
    ///
    /// Costs m products.
    fn element_order(&self, x: Elem) -> usize {
        powers(self, self.identity(), x).len()
    }

    /// The order of every element, by row.
    ///
    /// Costs O(n log log n): if x has order m, then `x^i` has order `m / gcd(i, m)`.
    fn element_orders(&self) -> Vec<usize> {
        let identity = self.identity();
        let mut orders = vec![0; self.order()];
        for x in self.elements() {
            if orders[x.index()] == 0 {
                let powers = powers(self, identity, x);
                for (i, power) in (1..).zip(&powers) {
                    orders[power.index()] = powers.len() / gcd(i, powers.len());
                }
            }
        }
        orders
    }

    /// A small generating set: each row in turn that the rows before it do not generate. Deterministic, without the
    /// identity, at most log2 n elements, not always the fewest possible.
    ///
    /// Costs O(n k).
    ///
    /// ```
    /// use irreplens::group::{Dihedral, GroupExt};
    /// let d6 = Dihedral::new(6)?;
    /// assert_eq!(d6.generators(), [d6.element(1), d6.element(6)]); // r and s
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    fn generators(&self) -> Vec<Elem> {
        generate(self).generators
    }

    /// The subgroup generated by `generators`, its elements in row order. No generators give the trivial subgroup.
    ///
    /// Costs O(m log m) for a subgroup of order m.
    ///
    /// # Panics
    /// If a generator's index is not below the order.
    fn subgroup(&self, generators: &[Elem]) -> Vec<Elem> {
        let mut members = closure(self, generators.iter().copied()).members;
        members.sort_unstable();
        members
    }

    /// The conjugacy classes: orbits of `x -> g x g^-1`, each in row order, in order of their first elements.
    ///
    /// Costs O(n k), for it is enough to conjugate by generators.
    fn conjugacy_classes(&self) -> Vec<Vec<Elem>> {
        let by: Vec<(Elem, Elem)> = (self.generators().into_iter()).map(|g| (g, self.inverse(g))).collect();
        let mut seen = vec![false; self.order()];
        let mut classes = Vec::new();
        for first in self.elements() {
            if std::mem::replace(&mut seen[first.index()], true) {
                continue;
            }
            let mut class = vec![first];
            let mut next = 0;
            while let Some(&x) = class.get(next) {
                next += 1;
                for &(g, inverse) in &by {
                    let conjugate = self.compose(self.compose(g, x), inverse);
                    if !std::mem::replace(&mut seen[conjugate.index()], true) {
                        class.push(conjugate);
                    }
                }
            }
            class.sort_unstable();
            classes.push(class);
        }
        classes
    }

    /// The centre: the elements that commute with all others, in row order.
    ///
    /// Costs O(n k), for it is enough to commute with generators.
    fn center(&self) -> Vec<Elem> {
        let generators = self.generators();
        self.elements().filter(|&x| generators.iter().all(|&g| commute(self, x, g))).collect()
    }

    /// Whether `x y = y x` for all elements.
    ///
    /// Costs O(n k): finding generators, which then must commute with each other.
    fn is_abelian(&self) -> bool {
        let generators = self.generators();
        (generators.iter()).all(|&x| generators.iter().all(|&y| commute(self, x, y)))
    }
}

impl<G: Group + ?Sized> GroupExt for G {}

/// The closure of those candidates, in turn, that the ones before do not already reach.
pub(super) fn closure(group: &(impl Group + ?Sized), candidates: impl IntoIterator<Item = Elem>) -> Closure {
    let mut closure = Closure::new(group.order(), group.identity());
    for x in candidates {
        if !closure.contains(x) {
            let Ok(()) = closure.add(x, |x, y| Ok::<_, Infallible>(group.compose(x, y)));
        }
    }
    closure
}

fn generate(group: &(impl Group + ?Sized)) -> Closure {
    closure(group, group.elements())
}

/// `x, x^2, ..., e`.
fn powers(group: &(impl Group + ?Sized), identity: Elem, x: Elem) -> Vec<Elem> {
    let mut powers = vec![x];
    let mut power = x;
    while power != identity {
        power = group.compose(power, x);
        powers.push(power);
    }
    powers
}

pub(super) fn commute(group: &(impl Group + ?Sized), x: Elem, y: Elem) -> bool {
    group.compose(x, y) == group.compose(y, x)
}
