//! The laws of [`Group`], in the numbering of its documentation.
//!
//! Every law is tried on all its cases up to [`EXHAUSTIVE`] of them (associativity: to order 128, closure and Latin
//! square: to order 1448), and beyond that on [`SAMPLES`] cases drawn with [`SEED`]. Witnesses are elements.
//!
//! The functions other than [`closure`] assume closure. Given that, they neither panic nor hang on any broken product,
//! not even where the searching defaults of [`Group::identity`] and [`Group::inverse`] would; a panic of an
//! implementor's own is passed on.

use super::{EXHAUSTIVE, SAMPLES, SEED, Violation};
use crate::group::{Elem, Group, GroupExt};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// All laws, in an order in which each may rely on those before it: [`closure`], [`latin_square`], [`identity`],
/// [`inverse`], [`associativity`].
///
/// ```
/// use irreplens::group::{Elem, Group};
///
/// struct Subtraction;
///
/// impl Group for Subtraction {
///     fn order(&self) -> usize { 5 }
///     fn compose(&self, x: Elem, y: Elem) -> Elem { Elem::new((x.index() + 5 - y.index()) % 5) }
/// }
///
/// let violation = irreplens::laws::group::check(&Subtraction).unwrap_err();
/// assert_eq!(violation.to_string(), "law `left identity` fails at [#0, #1]: #4 against #1");
/// ```
///
/// # Errors
/// The first violation found.
pub fn check(group: &(impl Group + ?Sized)) -> Result<(), Violation> {
    closure(group)?;
    latin_square(group)?;
    identity(group)?;
    inverse(group)?;
    associativity(group)
}

/// `x y < order`, and `1 <= order <= 2^31`.
///
/// # Errors
/// `closure`: the order, or a pair and its product.
pub fn closure(group: &(impl Group + ?Sized)) -> Result<(), Violation> {
    let order = group.order();
    if !(1..=1 << 31).contains(&order) {
        return Err(Violation::new("closure", "order", order, 1..=1_u64 << 31));
    }
    for [x, y] in cases(order, 1) {
        let product = group.compose(x, y);
        if product.index() >= order {
            return Err(Violation::new("closure", [x, y], product, 0..order));
        }
    }
    Ok(())
}

/// `(x y) z = x (y z)`.
///
/// # Errors
/// `associativity`: x, y, z and the two products.
pub fn associativity(group: &(impl Group + ?Sized)) -> Result<(), Violation> {
    cases(group.order(), 1).try_for_each(|[x, y, z]| {
        let left = group.compose(group.compose(x, y), z);
        let right = group.compose(x, group.compose(y, z));
        Violation::unless_equal("associativity", [x, y, z], left, right)
    })
}

/// `e x = x = x e`.
///
/// # Errors
/// `left identity` or `right identity`: e, x and the product against x; `identity`: if no row e has `e #0 = #0`, or
/// [`Group::identity`] is not below the order.
pub fn identity(group: &(impl Group + ?Sized)) -> Result<(), Violation> {
    let e = identity_of(group)?;
    cases(group.order(), 1).try_for_each(|[x]| {
        Violation::unless_equal("left identity", [e, x], group.compose(e, x), x)?;
        Violation::unless_equal("right identity", [e, x], group.compose(x, e), x)
    })
}

/// `x x^-1 = e = x^-1 x`.
///
/// # Errors
/// `right inverse` or `left inverse`: x, its inverse and the product against e; `inverse`: x if no y has `x y = e`, or
/// [`Group::inverse`] is not below the order; `identity` as [`identity`].
pub fn inverse(group: &(impl Group + ?Sized)) -> Result<(), Violation> {
    let e = identity_of(group)?;
    cases(group.order(), 1).try_for_each(|[x]| {
        // By Lagrange x^-1 = x^(order - 1): in a group this spares the search.
        let inverts = |y| group.compose(x, y) == e;
        if !inverts(group.power(x, -1)) && !group.elements().any(inverts) {
            return Err(Violation::new("inverse", [x], "no inverse", e));
        }
        let inverse = group.inverse(x);
        if inverse.index() >= group.order() {
            return Err(Violation::new("inverse", [x], inverse, 0..group.order()));
        }
        let witness = [x, inverse];
        Violation::unless_equal("right inverse", witness, group.compose(x, inverse), e)?;
        Violation::unless_equal("left inverse", witness, group.compose(inverse, x), e)
    })
}

/// Every row and every column of the Cayley table is a permutation: x y = x z or y x = z x only if y = z.
///
/// # Errors
/// `latin square row` or `latin square column`: x and the repeated product, and y against z; `closure`, at orders
/// where [`closure`] itself only samples.
pub fn latin_square(group: &(impl Group + ?Sized)) -> Result<(), Violation> {
    let order = group.order();
    let mut seen = vec![None; order];
    for [x] in cases(order, order) {
        for law in ["latin square row", "latin square column"] {
            seen.fill(None);
            for z in group.elements() {
                let product = match law {
                    "latin square row" => group.compose(x, z),
                    _ => group.compose(z, x),
                };
                let Some(place) = seen.get_mut(product.index()) else {
                    return Err(Violation::new("closure", [x, z], product, 0..order));
                };
                if let Some(y) = place.replace(z) {
                    return Err(Violation::new(law, [x, product], y, z));
                }
            }
        }
    }
    Ok(())
}

/// [`Group::identity`], asked only if its default search would succeed.
fn identity_of(group: &(impl Group + ?Sized)) -> Result<Elem, Violation> {
    let first = Elem::new(0);
    if !group.elements().any(|e| group.compose(e, first) == first) {
        return Err(Violation::new("identity", [first], "no identity", first));
    }
    let e = group.identity();
    if e.index() < group.order() { Ok(e) } else { Err(Violation::new("identity", [e], e, 0..group.order())) }
}

/// The K-tuples of elements: all if they are few, counting each as `cost` cases, else a sample.
fn cases<const K: usize>(order: usize, cost: usize) -> impl Iterator<Item = [Elem; K]> {
    let all = order.saturating_pow(K as u32);
    let exhaustive = all.saturating_mul(cost) <= EXHAUSTIVE;
    let count = if exhaustive { all } else { (SAMPLES / cost).max(1) };
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    (0..count).map(move |case| {
        let mut rest = case;
        std::array::from_fn(|_| {
            let index = if exhaustive {
                let digit = rest % order;
                rest /= order;
                digit
            } else {
                ((u64::from(rng.next_u32()) * order as u64) >> 32) as usize
            };
            Elem::new(index)
        })
    })
}

/// Makes a module with one `#[test]` for each law of [`Group`](crate::group::Group).
///
/// The expression is a group, or a reference to one; each test makes its own.
///
/// ```
/// use irreplens::group::Cyclic;
/// irreplens::group_laws!(cyclic_7, Cyclic::new(7).unwrap());
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! group_laws {
    ($name:ident, $group:expr $(,)?) => {
        $crate::each_law!(
            $name,
            group,
            closure(&$group),
            latin_square(&$group),
            identity(&$group),
            inverse(&$group),
            associativity(&$group)
        );
    };
}
