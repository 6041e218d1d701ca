//! Groups given by their multiplication table, checked to be groups.

use super::closure::Closure;
use super::file::{parse, read};
use super::{Elem, Group};
use crate::error::{Error, Result, check_shape};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use std::path::Path;

/// A group given by its multiplication table, `table[x, y] = x y`, whichever row is the identity.
///
/// Every table is checked to be a group, exactly. Takes 4 n^2 bytes (100 MB at order 5040); a product is one look-up.
///
/// ```
/// use irreplens::group::{CayleyTable, Group};
/// let c3 = CayleyTable::from_rows(&[vec![1, 2, 0], vec![2, 0, 1], vec![0, 1, 2]])?;
/// assert_eq!(c3.identity().index(), 2);
///
/// let error = CayleyTable::from_rows(&[vec![0, 1], vec![1, 1]]).unwrap_err();
/// assert_eq!(error.to_string(), "not a group: latin square row fails at [1, 0, 1]: 0 against 1");
/// # Ok::<(), irreplens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "Rows", into = "Rows")]
pub struct CayleyTable {
    table: Array2<Elem>,
    identity: Elem,
    inverses: Vec<Elem>,
    name: Option<String>,
}

impl CayleyTable {
    /// The group with this table (order x order).
    ///
    /// Costs O(n^2) per generator met by Light's associativity test, at most log2 n of them: about a second at order
    /// 5040. The test is Clifford & Preston, The Algebraic Theory of Semigroups, vol. 1 (1961), section 1.2.
    ///
    /// # Errors
    /// [`Error::Shape`] if the table is empty or not square; [`Error::LawFails`] with a witness if an entry is not
    /// below the order, a row or column repeats one, no row is an identity, or the product is not associative.
    pub fn new(table: Array2<usize>) -> Result<Self> {
        let order = table.nrows();
        check_shape("Cayley table", &[order.max(1); 2], table.shape())?;
        let outside = table.indexed_iter().find(|&(_, &entry)| entry >= order);
        if let Some(((x, y), &entry)) = outside {
            return Err(fails("closure", [x, y], entry, order));
        }
        let table = table.mapv(Elem::new);
        check_latin(&table)?;
        let identity = find_identity(&table)?;
        check_associative(&table, identity)?;
        Ok(Self::trusted(table, identity))
    }

    /// The group with these rows, as [`new`](CayleyTable::new).
    ///
    /// # Errors
    /// The errors of [`new`](CayleyTable::new), and [`Error::Shape`] naming a row that is not as long as there are rows.
    pub fn from_rows(rows: &[Vec<usize>]) -> Result<Self> {
        let order = rows.len();
        if let Some(x) = rows.iter().position(|row| row.len() != order) {
            check_shape(&format!("row {x} of the Cayley table"), &[order], &[rows[x].len()])?;
        }
        Self::new(Array2::from_shape_fn((order, order), |(x, y)| rows[x][y]))
    }

    /// Reads a JSON file: an array of rows, or an object with the rows under `table` and perhaps a `name`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Format`] with line and column if it is something else, and
    /// [`Error::InFile`] around what [`from_rows`](CayleyTable::from_rows) rejects.
    pub fn from_json(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = read(path)?;
        let expected = "rows of row indices, bare or under \"table\" in an object";
        let Rows { table, name } = if text.trim_start().starts_with('{') {
            parse(path, &text, expected)?
        } else {
            Rows { table: parse(path, &text, expected)?, name: None }
        };
        let table = Self::from_rows(&table).map_err(Error::in_file(path))?;
        Ok(Self { name, ..table })
    }

    /// Reads a CSV file: one row a line, no header.
    ///
    /// # Errors
    /// The errors of [`from_json`](CayleyTable::from_json); [`Error::Format`] gives row and column, counted from 0.
    pub fn from_csv(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = read(path)?;
        let format = |got: String| Error::format(path, "rows of row indices, without a header", got);
        let mut rows = Vec::new();
        let records = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true) // a ragged row is named by from_rows
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes())
            .into_records();
        for (x, record) in records.enumerate() {
            let record = record.map_err(|error| format(error.to_string()))?;
            let bad = |y: usize, field: &str| format(format!("{field:?} in row {x}, column {y}"));
            let parsed = record.iter().enumerate().map(|(y, field)| field.parse().map_err(|_| bad(y, field)));
            rows.push(parsed.collect::<Result<_>>()?);
        }
        Self::from_rows(&rows).map_err(Error::in_file(path))
    }

    /// The table under a name of the caller's.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// An isomorphic copy in another element order: what stood at row x stands at row `permutation[x]`, so
    /// `permutation[x y] = permutation[x] permutation[y]` with the old product on the left and the new one on the
    /// right. Keeps the name.
    ///
    /// # Errors
    /// [`Error::NotAPermutation`] if `permutation` is not one of 0..order.
    pub fn relabelled(&self, permutation: &[usize]) -> Result<Self> {
        super::check_permutation(0, self.order(), permutation)?;
        let new = |x: Elem| Elem::new(permutation[x.index()]);
        let mut table = self.table.clone();
        for ((x, y), &product) in self.table.indexed_iter() {
            table[[permutation[x], permutation[y]]] = new(product);
        }
        Ok(Self { name: self.name.clone(), ..Self::trusted(table, new(self.identity)) })
    }

    /// The table itself (order x order), `table[x, y] = x y`.
    #[must_use]
    pub fn table(&self) -> ArrayView2<'_, Elem> {
        self.table.view()
    }

    /// A table already known to be a group with this identity.
    pub(super) fn trusted(table: Array2<Elem>, identity: Elem) -> Self {
        let mut inverses = vec![identity; table.nrows()];
        for ((x, y), &product) in table.indexed_iter() {
            if product == identity {
                inverses[x] = Elem::new(y);
            }
        }
        Self { table, identity, inverses, name: None }
    }
}

/// The name, if it has one, and the rows, as [`from_json`](CayleyTable::from_json) reads them.
#[derive(serde::Serialize, serde::Deserialize)]
struct Rows {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    table: Vec<Vec<usize>>,
}

impl From<CayleyTable> for Rows {
    fn from(group: CayleyTable) -> Self {
        let row = |row: ArrayView1<'_, Elem>| row.iter().map(|z| z.index()).collect();
        Self { table: group.table.outer_iter().map(row).collect(), name: group.name }
    }
}

impl TryFrom<Rows> for CayleyTable {
    type Error = Error;

    fn try_from(Rows { name, table }: Rows) -> Result<Self> {
        Ok(Self { name, ..Self::from_rows(&table)? })
    }
}

impl Group for CayleyTable {
    fn order(&self) -> usize {
        self.table.nrows()
    }
    fn compose(&self, x: Elem, y: Elem) -> Elem {
        self.table[[x.index(), y.index()]]
    }
    fn identity(&self) -> Elem {
        self.identity
    }
    fn inverse(&self, x: Elem) -> Elem {
        self.inverses[x.index()]
    }
    fn name(&self) -> String {
        (self.name.clone()).unwrap_or_else(|| format!("group of order {}", self.order()))
    }
}

fn fails<const N: usize>(law: &'static str, witness: [usize; N], left: usize, right: usize) -> Error {
    Error::LawFails { of: "a group", law, witness: witness.to_vec(), left, right }
}

/// No row and no column repeats an entry.
fn check_latin(table: &Array2<Elem>) -> Result<()> {
    for (x, row) in table.axis_iter(Axis(0)).enumerate() {
        if let Some((y, z)) = repeated(row) {
            return Err(fails("latin square row", [x, y, z], y, z));
        }
    }
    for (z, column) in table.axis_iter(Axis(1)).enumerate() {
        if let Some((x, y)) = repeated(column) {
            return Err(fails("latin square column", [x, y, z], x, y));
        }
    }
    Ok(())
}

/// Two places with the same entry.
fn repeated(line: ArrayView1<'_, Elem>) -> Option<(usize, usize)> {
    let mut seen_at = vec![None; line.len()];
    line.iter().enumerate().find_map(|(place, entry)| Some((seen_at[entry.index()].replace(place)?, place)))
}

/// The identity of a Latin square: the one row e with `e #0 = #0`, if it is one.
fn find_identity(table: &Array2<Elem>) -> Result<Elem> {
    let first = Elem::new(0);
    let column = table.column(0);
    let e = column.iter().take_while(|&&entry| entry != first).count();
    for x in 0..table.nrows() {
        for (law, [y, z]) in [("left identity", [e, x]), ("right identity", [x, e])] {
            let product = table[[y, z]].index();
            if product != x {
                return Err(fails(law, [e, x], product, x));
            }
        }
    }
    Ok(Elem::new(e))
}

/// Light's test: if `(x s) y = x (s y)` for all x, y and each s of a generating set, then for every s. The elements
/// that pass are closed under products and form a group, so each new generator at least doubles what is reached.
fn check_associative(table: &Array2<Elem>, identity: Elem) -> Result<()> {
    let mut closure = Closure::new(table.nrows(), identity);
    for s in (0..table.nrows()).map(Elem::new) {
        if closure.contains(s) {
            continue;
        }
        for (x, row) in table.axis_iter(Axis(0)).enumerate() {
            let left = table.row(row[s.index()].index());
            let right = table.row(s.index()).map(|product| row[product.index()]);
            if left != right {
                let y = (left.iter().zip(&right)).take_while(|(l, r)| l == r).count();
                let (left, right) = (left[y].index(), right[y].index());
                return Err(fails("associativity", [x, s.index(), y], left, right));
            }
        }
        closure.add(s, |x, y| Ok::<_, Error>(table[[x.index(), y.index()]]))?;
    }
    Ok(())
}
