//! The group nearest to a table of products that need not be one: what a half-trained network says of a group.

use super::{CayleyTable, Elem};
use crate::error::Error;
use crate::linalg::map_blocks;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

/// How many elements u vote on a product in each of the two ways.
const VOTERS: usize = 128;

/// Rounds of votes after which a table that is not yet a group is given up.
const ROUNDS: usize = 24;

/// Rounds in which more than half of the cells may change.
const UNSETTLED: usize = 4;

/// What a table of products is, and what keeps it from being a group.
pub(crate) struct Examined {
    /// The least number of cells that must change for every row and column to hold every element.
    pub repeated: usize,
    /// The first law that fails, with its witness; `None` for a group.
    pub fails: Option<Error>,
    /// The group itself, or one that the table is near to.
    pub group: Option<Near>,
    /// The group that the table is at least twice as near to when rows, columns and entries are relabelled each in its own way, as
    /// x - y is x + y.
    pub isotope: Option<Near>,
}

/// A group, and the number of cells in which a table differs from it.
pub(crate) struct Near {
    pub group: CayleyTable,
    pub changed: usize,
}

/// Says what a table (n, n) of elements is.
///
/// Cost: O(n^2 log n) for a group, else up to 24 rounds of O(n^2 min(n, 128)).
///
/// # Panics
/// If it is empty, not square, or has an entry from n on.
pub(crate) fn examine(table: ArrayView2<'_, Elem>) -> Examined {
    let n = table.nrows();
    assert!(n > 0 && table.ncols() == n && table.iter().all(|z| z.index() < n), "a table of products");
    let repeated = repeated(table);
    let (fails, group) = match as_group(table) {
        Ok(group) => (None, Some(Near { group, changed: 0 })),
        Err(fails) => (Some(fails), repaired(table)),
    };
    let mut found = Examined { repeated, fails, group, isotope: None };
    if !found.group.as_ref().is_some_and(Near::is_proven)
        && let Some(isotope) = LoopIsotope::new(table)
    {
        found.consider(table, &isotope);
    }
    found
}

impl Examined {
    /// Takes what is behind an isotope: the group itself if rows and columns turn out to need no relabelling, else the isotope,
    /// unless the group that was found without it is nearly as near: where much is random, an isotope may be a little nearer
    /// by chance.
    fn consider(&mut self, table: ArrayView2<'_, Elem>, isotope: &LoopIsotope) {
        let Some(near) = repaired(isotope.table.view()) else { return };
        let is_nearer = |by: usize| self.group.as_ref().is_none_or(|group| by * near.changed <= group.changed);
        if let Ok(group) = as_group(isotope.back(&near.group).view()) {
            if is_nearer(1) {
                let changed = changed(group.table(), table);
                self.group = Some(Near { group, changed });
            }
        } else if is_nearer(2) {
            self.isotope = Some(near);
        }
    }
}

/// The number of cells in which two tables differ.
fn changed(a: ArrayView2<'_, Elem>, b: ArrayView2<'_, Elem>) -> usize {
    a.iter().zip(b).filter(|(a, b)| a != b).count()
}

impl Near {
    /// Whether no group of another kind is as near: tables of groups that are not isomorphic differ in at least `2 n^2 / 9`
    /// cells.
    ///
    /// Source: G. Ivanyos, F. Le Gall, Y. Yoshida, On the distance between non-isomorphic groups, European Journal of
    /// Combinatorics 33 (2012).
    pub(crate) fn is_proven(&self) -> bool {
        let n = super::Group::order(&self.group);
        9 * self.changed < n * n
    }
}

fn as_group(table: ArrayView2<'_, Elem>) -> Result<CayleyTable, Error> {
    CayleyTable::new(table.mapv(Elem::index))
}

/// Entries that are missing from rows, or from columns, whichever are more.
fn repeated(table: ArrayView2<'_, Elem>) -> usize {
    let along = |axis: Axis| -> usize { table.axis_iter(axis).map(missing).sum() };
    along(Axis(0)).max(along(Axis(1)))
}

/// The number of elements that a row or column does not hold.
fn missing(line: ArrayView1<'_, Elem>) -> usize {
    let mut there = vec![false; line.len()];
    line.iter().for_each(|z| there[z.index()] = true);
    there.iter().filter(|there| !**there).count()
}

/// The group that a table becomes when each cell goes by a vote, round after round:
/// `x y = (x u)(u^-1 y) = (x u^-1)(u y)` for every u, with all five products read off the table.
///
/// A vote is right where three cells are, and wrong ones scatter; so even a table of which six cells in ten are random
/// comes to the group of the others, once it has a hundred elements.
fn repaired(table: ArrayView2<'_, Elem>) -> Option<Near> {
    let n = table.nrows();
    let mut now: Array2<Elem> = table.as_standard_layout().into_owned();
    for round in 0..ROUNDS {
        let next = voted(&now, round);
        let moved = changed(now.view(), next.view());
        now = next;
        if let Ok(group) = as_group(now.view()) {
            let changed = changed(now.view(), table);
            return Some(Near { group, changed });
        }
        if moved == 0 || round >= UNSETTLED && 2 * moved > n * n {
            return None;
        }
    }
    None
}

/// Where each line of a table holds each element.
struct Places {
    n: usize,
    starts: Vec<u32>,
    places: Vec<u32>,
}

impl Places {
    fn new<'a>(n: usize, lines: impl Iterator<Item = ArrayView1<'a, Elem>>) -> Self {
        let (mut starts, mut places) = (Vec::with_capacity(n * (n + 1)), vec![0; n * n]);
        for (u, line) in lines.enumerate() {
            let mut next = vec![0u32; n + 1];
            line.iter().for_each(|z| next[z.index() + 1] += 1);
            (0..n).for_each(|z| next[z + 1] += next[z]);
            starts.extend_from_slice(&next);
            for (place, z) in line.iter().enumerate() {
                places[u * n + next[z.index()] as usize] = place as u32;
                next[z.index()] += 1;
            }
        }
        Self { n, starts, places }
    }

    fn of(&self, line: usize, element: usize) -> &[u32] {
        let starts = &self.starts[line * (self.n + 1) + element..];
        &self.places[line * self.n..][starts[0] as usize..starts[1] as usize]
    }
}

/// A table after one round of votes; where several elements have the most votes, a cell stays if it is one of them.
fn voted(table: &Array2<Elem>, round: usize) -> Array2<Elem> {
    let n = table.nrows();
    let (in_rows, in_columns) = (Places::new(n, table.axis_iter(Axis(0))), Places::new(n, table.axis_iter(Axis(1))));
    let count = n.min(VOTERS);
    let voters: Vec<usize> = (0..count).map(|k| (k * n / count + round) % n).collect();
    let cells = table.as_slice().expect("row-major");
    let product = |x: usize, y: usize| cells[x * n + y].index();
    let rows = map_blocks(n, 1, |block| {
        let x = block.start;
        let mut votes = vec![0u32; n];
        let elect = |y: usize| {
            votes.fill(0);
            let own = product(x, y);
            votes[own] = 1;
            for &u in &voters {
                let (left, right) = (product(x, u), product(u, y));
                in_rows.of(u, y).iter().for_each(|&w| votes[product(left, w as usize)] += 1);
                in_columns.of(u, x).iter().for_each(|&v| votes[product(v as usize, right)] += 1);
            }
            let most = *votes.iter().max().expect("an element");
            let elected = if votes[own] == most { Some(own) } else { votes.iter().position(|&v| v == most) };
            Elem::new(elected.expect("one has the most"))
        };
        (0..n).map(elect).collect::<Vec<Elem>>()
    });
    Array2::from_shape_vec((n, n), rows.into_iter().flatten().collect()).expect("n rows of n")
}

/// The table of the product * with `(x b) * (a y) = x y`, for a row a and a column b that hold every element: of a group whose
/// rows, columns and entries are relabelled each in its own way, a group again, isomorphic to it.
///
/// Source: A. A. Albert, Quasigroups I, Transactions of the AMS 54 (1943), theorem 2: loops isotopic to a group are isomorphic
/// to it.
struct LoopIsotope {
    table: Array2<Elem>,
    /// `x b` for every x.
    column: Vec<Elem>,
    /// `a y` for every y.
    row: Vec<Elem>,
}

impl LoopIsotope {
    /// `None` where no row or no column holds every element.
    fn new(table: ArrayView2<'_, Elem>) -> Option<Self> {
        let n = table.nrows();
        let is_whole = |line: &ArrayView1<'_, Elem>| missing(*line) == 0;
        let row = table.axis_iter(Axis(0)).find(is_whole)?.to_vec();
        let column = table.axis_iter(Axis(1)).find(is_whole)?.to_vec();
        let mut product = Array2::from_elem((n, n), Elem::new(0));
        for ((x, y), &z) in table.indexed_iter() {
            product[[column[x].index(), row[y].index()]] = z;
        }
        Some(Self { table: product, column, row })
    }

    /// The table whose isotope a group is: `x y = (x b) * (a y)`.
    fn back(&self, group: &CayleyTable) -> Array2<Elem> {
        let n = self.row.len();
        Array2::from_shape_fn((n, n), |(x, y)| group.table()[[self.column[x].index(), self.row[y].index()]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::{Cyclic, Dihedral, Group, GroupExt, Symmetric};

    fn table_of(group: &dyn Group) -> Array2<Elem> {
        let n = group.order();
        Array2::from_shape_fn((n, n), |(x, y)| group.compose(Elem::new(x), Elem::new(y)))
    }

    /// A table with about this share of its cells drawn anew.
    fn spoilt(mut table: Array2<Elem>, share: f64, seed: u64) -> Array2<Elem> {
        use rand_chacha::ChaCha8Rng;
        use rand_chacha::rand_core::{Rng, SeedableRng};
        let (n, mut rng) = (table.nrows(), ChaCha8Rng::seed_from_u64(seed));
        for cell in &mut table {
            if f64::from(rng.next_u32()) < share * f64::from(u32::MAX) {
                *cell = Elem::new(rng.next_u32() as usize % n);
            }
        }
        table
    }

    #[test]
    fn groups_are_themselves() {
        for group in [&Cyclic::new(1).unwrap() as &dyn Group, &Cyclic::new(12).unwrap(), &Symmetric::new(4).unwrap()] {
            let found = examine(table_of(group).view());
            assert!(found.fails.is_none() && found.repeated == 0);
            assert_eq!(found.group.expect("a group").changed, 0);
        }
    }

    #[test]
    fn spoilt_groups_come_back() {
        for (group, share) in [
            (&Dihedral::new(53).unwrap() as &dyn Group, 0.6),
            (&Cyclic::new(113).unwrap(), 0.6),
            (&Symmetric::new(5).unwrap(), 0.5),
            (&Dihedral::new(8).unwrap(), 0.1),
            (&Cyclic::new(7).unwrap(), 0.1),
        ] {
            let whole = table_of(group);
            let spoilt = spoilt(whole.clone(), share, 5);
            let found = examine(spoilt.view());
            let near = found.group.unwrap_or_else(|| panic!("{} at {share}", group.name()));
            assert_eq!(near.group.table(), whole);
            assert_eq!(near.changed, whole.iter().zip(&spoilt).filter(|(a, b)| a != b).count());
            assert!(found.fails.is_some() && found.repeated > 0 && found.repeated <= near.changed);
        }
    }

    #[test]
    fn random_tables_are_no_group() {
        for (n, seed) in [(20, 1), (60, 2), (113, 3)] {
            let table = spoilt(Array2::from_elem((n, n), Elem::new(0)), 1.0, seed);
            let found = examine(table.view());
            assert!(found.group.is_none() && found.isotope.is_none() && found.fails.is_some());
        }
        let constant = examine(Array2::from_elem((9, 9), Elem::new(3)).view());
        assert!(constant.group.is_none() && constant.isotope.is_none());
        assert_eq!(constant.repeated, 72);
    }

    #[test]
    fn differences_are_isotopic_to_their_group() {
        let group = Dihedral::new(10).unwrap();
        let n = group.order();
        let difference =
            Array2::from_shape_fn((n, n), |(x, y)| group.compose(group.inverse(Elem::new(x)), Elem::new(y)));
        let found = examine(difference.view());
        // Where x is its own inverse, x^-1 y is x y: the group itself differs in two cells of five.
        assert_eq!((found.repeated, found.group.map(|near| near.changed)), (0, Some(160)));
        let near = found.isotope.expect("a group behind x^-1 y");
        let orders = |group: &dyn Group| {
            let mut orders = group.element_orders();
            orders.sort_unstable();
            orders
        };
        assert_eq!((near.changed, orders(&near.group)), (0, orders(&group)));
        let found = examine(spoilt(difference, 0.02, 9).view());
        assert!(found.isotope.is_some_and(|near| near.changed > 0));
    }
}
