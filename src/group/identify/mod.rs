//! Which group a multiplication table is of: invariants, isomorphisms, names and structure.

mod invariants;
mod isomorphism;
mod refine;
mod search;
mod series;

pub use invariants::{Difference, Invariants};
pub use isomorphism::{Isomorphism, isomorphism};

use super::{CayleyTable, Group, GroupExt};
use crate::error::Result;

/// The whole multiplication table, within the memory budget.
fn table_of(group: &(impl Group + ?Sized)) -> Result<CayleyTable> {
    let n = group.order();
    crate::memory::check("a Cayley table", crate::memory::bytes::<u32>(&[n, n]))?;
    Ok(group.cayley_table())
}
