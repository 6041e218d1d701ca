//! Normal closures, central and derived series, and the tables of subgroups and quotients.

use super::super::derived::closure;
use super::super::{CayleyTable, Elem, Group, GroupExt, Subgroup};
use ndarray::Array2;

/// The least normal subgroup with these elements, in row order.
pub(super) fn normal_closure(table: &CayleyTable, elements: impl IntoIterator<Item = Elem>) -> Vec<Elem> {
    Subgroup::normal_closure(table, elements, &table.generators()).elements().to_vec()
}

/// `x y x^-1 y^-1`.
pub(super) fn commutator(table: &CayleyTable, x: Elem, y: Elem) -> Elem {
    table.right_divide(table.compose(x, y), table.compose(y, x))
}

/// The normal subgroup \[H, K\] of two normal subgroups.
pub(super) fn commutators(table: &CayleyTable, h: &[Elem], k: &[Elem]) -> Vec<Elem> {
    let of = |subgroup: &[Elem]| closure(table, subgroup.iter().copied()).generators;
    let k = of(k);
    normal_closure(table, of(h).into_iter().flat_map(|x| k.iter().map(move |&y| commutator(table, x, y))))
}

fn falling(table: &CayleyTable, next: impl Fn(&[Elem]) -> Vec<Elem>) -> Vec<Vec<Elem>> {
    let mut series: Vec<Vec<Elem>> = vec![table.elements().collect()];
    loop {
        let last = &series[series.len() - 1];
        let below = next(last);
        if below.len() == last.len() {
            return series;
        }
        series.push(below);
    }
}

/// G, G', G'', ..., down to the last that differs from the one before.
pub(super) fn derived_series(table: &CayleyTable) -> Vec<Vec<Elem>> {
    falling(table, |last| commutators(table, last, last))
}

/// G, \[G, G\], \[\[G, G\], G\], ..., down to the last that differs from the one before.
pub(super) fn lower_central_series(table: &CayleyTable) -> Vec<Vec<Elem>> {
    let all: Vec<Elem> = table.elements().collect();
    falling(table, |last| commutators(table, last, &all))
}

/// The trivial subgroup, the centre Z, the elements that are central modulo Z, ..., up to the last that differs from the one
/// before.
pub(super) fn upper_central_series(table: &CayleyTable) -> Vec<Vec<Elem>> {
    let generators = table.generators();
    let mut series = vec![vec![table.identity()]];
    loop {
        let last = &series[series.len() - 1];
        let mut inside = vec![false; table.order()];
        last.iter().for_each(|x| inside[x.index()] = true);
        let central = |&x: &Elem| generators.iter().all(|&g| inside[commutator(table, x, g).index()]);
        let above: Vec<Elem> = table.elements().filter(central).collect();
        if above.len() == last.len() {
            return series;
        }
        series.push(above);
    }
}

/// The subgroup of these elements as a group of its own: its rows are their positions in the list.
pub(super) fn subgroup_table(table: &CayleyTable, elements: &[Elem]) -> CayleyTable {
    let mut position = vec![Elem::new(0); table.order()];
    elements.iter().enumerate().for_each(|(i, x)| position[x.index()] = Elem::new(i));
    let m = elements.len();
    let product = |(i, j)| position[table.compose(elements[i], elements[j]).index()];
    CayleyTable::trusted(Array2::from_shape_fn((m, m), product), position[table.identity().index()])
}
